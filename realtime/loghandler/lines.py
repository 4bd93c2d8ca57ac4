"""Turns a record of Python's logging into one line of the `system_log` feed."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from realtime.loghandler.scrubbing import scrub_fields, scrub_text, scrub_traceback
from realtime.timestamps import isoformat

MODULE_CHARACTERS = 200
MESSAGE_CHARACTERS = 4_000
TRACEBACK_CHARACTERS = 8_000

_LEVELS = (
    (logging.CRITICAL, "CRITICAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARNING"),
)
# What every record has; all else came with `extra=`.
_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"asctime", "message", "taskName"}
_formatter = logging.Formatter()


def line_data(record: logging.LogRecord) -> dict[str, Any]:
    """The message data of `record`: bounded, without secrets, and always JSON.

    `extra` holds the fields given with `extra=`, `exception` and `stack` the traceback and the
    stack as texts; each is there only when the record has it.
    """
    data: dict[str, Any] = {
        "level": level_name(record.levelno),
        "module": scrub_text(record.name, characters=MODULE_CHARACTERS),
        "message": scrub_text(_message(record), characters=MESSAGE_CHARACTERS),
        "timestamp": isoformat(datetime.fromtimestamp(record.created, UTC)),
    }
    extra = {name: value for name, value in vars(record).items() if name not in _OWN_FIELDS}
    if extra:
        data["extra"] = scrub_fields(extra)
    for name, text in (("exception", _exception(record)), ("stack", record.stack_info or "")):
        if text:
            data[name] = scrub_traceback(text, characters=TRACEBACK_CHARACTERS)
    return data


def level_name(number: int) -> str:
    """The feed's level for a number: the next one below, where a program has its own."""
    return next((name for least, name in _LEVELS if number >= least), "INFO")


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        # Arguments that do not fit, or that cannot be shown: the line is worth having without.
        return str(record.msg)


def _exception(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[0] is None:
        return record.exc_text or ""
    try:
        return _formatter.formatException(record.exc_info)
    except Exception:
        # Its own `__str__` fails.
        return record.exc_info[0].__name__
