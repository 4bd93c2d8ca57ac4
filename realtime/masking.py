"""Keeps secrets out of logs: tokens, JWTs and cookies, wherever they stand, become `***`."""

from __future__ import annotations

import logging
import re
from urllib.parse import unquote

MASK = "***"

# A value runs to its end in quotes, or to the next space or separator without. Backslashes are
# counted: a run of them would be looked through once for each of them.
_SECRET = re.compile(
    r"(?i)(?P<jwt>(?P<none>)\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
    r"|(?P<label>(?:[?&;\s\"']|^)(?:token|access_token|password|secret)=)(?P<q>[^&\s\"'#]+)"
    r"|(?P<json>\\{0,8}[\"'](?:token|access|refresh|password|secret)\\{0,8}[\"']\s*:\s*\\{0,8}[\"'])"
    r"(?P<j>[^\"'\\]+)"
    # The header whole, whatever its scheme, as text, in a dict, or as a pair of bytes.
    r"|(?P<header>\bauthorization\\{0,8}[\"']?\s*[:=,]\s*b?\\{0,8}[\"']?(?:[a-z]+[ ]+)?)"
    r"(?P<a>[^\s\"'\\,;)]+)"
    r"|(?P<scheme>\b(?:token|bearer)[ ]+)(?P<h>[A-Za-z0-9._~+/=-]{16,})"
    r"|(?P<sub>\bbearer\.)(?P<s>[A-Za-z0-9._~+/=-]{8,})"
    # Every cookie of the header, in the same forms.
    r"|(?P<cookies>\b(?:set-)?cookie\\{0,8}[\"']?\s*[:=,]\s*b?\\{0,8}[\"']?)(?P<c>[^\"'\\\r\n]*=[^\"'\\\r\n]*)"
    r"|(?P<cookie>\b(?:sessionid|csrftoken|csrfmiddlewaretoken)=)(?P<v>[^;&\s\"'\\]+)"
)
SECRET_NAMES = frozenset({"token", "access_token", "password", "secret"})
_LABELS = ("none", "label", "json", "header", "scheme", "sub", "cookies", "cookie")

_ENCODED = re.compile(r"(?P<before>[?&;])(?P<name>[^=&;?\s%]*%[^=&;?\s]*)=(?P<value>[^&\s\"'#]+)")

# Servers' own loggers, which may have handlers that ours do not see.
SERVER_LOGGERS = (
    "daphne",
    "daphne.server",
    "daphne.http_protocol",
    "daphne.ws_protocol",
    "django.channels.server",
    "django.request",
    "django.security",
    "django.server",
    "hypercorn.access",
    "hypercorn.error",
    "uvicorn",
    "uvicorn.access",
    "uvicorn.asgi",
    "uvicorn.error",
)


def mask(text: str) -> str:
    """Replace every credential in `text` by `***`."""
    if "%" in text:
        text = _ENCODED.sub(_replace_encoded, text)
    return _SECRET.sub(_replace, text)


def _replace_encoded(found: re.Match[str]) -> str:
    """A parameter whose name is percent-encoded is the same parameter to the server."""
    is_secret = unquote(found["name"]).lower() in SECRET_NAMES
    return f"{found['before']}{found['name']}={MASK}" if is_secret else found[0]


def _replace(found: re.Match[str]) -> str:
    label = next(found[name] for name in _LABELS if found[name] is not None)
    return f"{label}{MASK}"


class MaskingFilter(logging.Filter):
    """Masks a record's message and arguments; never drops a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite `record` in place when it shows a credential."""
        # A masked template may swallow a placeholder, so the message is made first; what is logged
        # may be any object, an exception for one.
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            return True
        masked = mask(message)
        if masked != message:
            _rewrite(record, masked)
        return True


def _rewrite(record: logging.LogRecord, masked: str) -> None:
    # Formatters of servers read the arguments themselves (uvicorn's access log has five).
    if isinstance(record.args, tuple) and record.args:
        record.args = tuple(mask(arg) if isinstance(arg, str) else arg for arg in record.args)
        if mask(record.getMessage()) == record.getMessage():
            return
    record.msg, record.args = masked, ()


def install() -> None:
    """Put the filter on the loggers of the servers that may run us."""
    for name in SERVER_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(present, MaskingFilter) for present in logger.filters):
            logger.addFilter(MaskingFilter())
