"""Django's settings for mail, from `EMAIL_URL`; and no alert addresses without it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from environ import Env

from realtime.conf import InvalidSetting, SettingsGroup
from trading.conf import RiskSettings

# The schemes, with the port that each has when the address names none.
PORTS = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465, "consolemail": None}
NO_MAIL = {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}


def email_settings(url: str, groups: Iterable[SettingsGroup]) -> dict[str, Any]:
    """What `url` says, as Django's settings; raises InvalidSetting."""
    if url:
        return _take_apart(url)
    for group in groups:
        if isinstance(group, RiskSettings) and group.alert_emails:
            raise InvalidSetting(
                "RISK_ALERT_EMAILS needs EMAIL_URL, the server that takes the mail: "
                "smtp+tls://USER:PASSWORD@HOST:PORT."
            )
    return NO_MAIL


def _take_apart(url: str) -> dict[str, Any]:
    # The message leaves the value out: it may hold a password.
    wanted = InvalidSetting(
        "EMAIL_URL must look like smtp+tls://USER:PASSWORD@HOST:PORT (or smtp://, smtp+ssl://, "
        "consolemail://); unset it to send no mail."
    )
    scheme = url.partition("://")[0]
    if scheme not in PORTS or "://" not in url:
        raise wanted
    try:
        config = Env.email_url_config(url)
    except ValueError:
        raise wanted from None
    if PORTS[scheme] and not config["EMAIL_HOST"]:
        raise wanted
    config["EMAIL_PORT"] = config["EMAIL_PORT"] or PORTS[scheme]
    return {
        name: value
        for name, value in config.items()
        if name.startswith("EMAIL_") and value is not None
    }
