"""What works on one machine and fails in production: refused by commands and servers alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from realtime.conf import conf
from realtime.feeds import feeds
from realtime.layer import layer_is_shared
from realtime.log.database import numbers_on_append


class CannotServe(ImproperlyConfigured):
    """The settings do not fit together; the message names the variable and the remedy."""


def check_deployment(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """Several hosts share a database and a layer; what everybody may read was decided."""
    return [*_check_hosts(), *_check_anonymous()]


def refuse_to_serve() -> None:
    """Raise CannotServe for the first mistake: servers run no system checks by themselves."""
    for message in check_deployment(None):
        raise CannotServe(f"{message.msg} {message.hint}")


def _check_hosts() -> Iterator[CheckMessage]:
    if conf().hosts == 1 or conf().database not in settings.DATABASES:
        return
    if numbers_on_append():
        yield Error(
            f"REALTIME_HOSTS is {conf().hosts}, and the database is SQLite: a file that several "
            "machines write is lost.",
            hint="Use PostgreSQL (DATABASE_URL), or run every process on one machine and unset "
            "REALTIME_HOSTS.",
            id="realtime.E008",
        )
    elif not layer_is_shared():
        yield Error(
            f"REALTIME_HOSTS is {conf().hosts}, and the channel layer is in memory: it reaches no "
            "other process.",
            hint="Use Redis (REDIS_URL), or unset REALTIME_HOSTS.",
            id="realtime.E009",
        )


def _check_anonymous() -> Iterator[CheckMessage]:
    if settings.DEBUG or not conf().allow_anonymous or conf().anonymous_feeds:
        return
    yield Error(
        "REALTIME_ALLOW_ANONYMOUS opens every feed to whoever reaches the server, and DEBUG is "
        "off.",
        hint="Name what everybody may read in REALTIME_ANONYMOUS_FEEDS (the feeds are: "
        f"{', '.join(feeds())}), or unset REALTIME_ALLOW_ANONYMOUS.",
        id="realtime.E010",
    )
