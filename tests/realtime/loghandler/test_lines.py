"""A record of Python's logging as a line of the feed."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from realtime.loghandler.lines import (
    MESSAGE_CHARACTERS,
    TRACEBACK_CHARACTERS,
    level_name,
    line_data,
)
from realtime.system_log import LEVELS
from realtime.timestamps import isoformat


class Unshowable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def record(message: Any = "hello", *args: Any, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("desk.orders", logging.WARNING, "", 0, message, args, None)
    vars(made).update(fields)
    return made


def test_line_has_the_shape_of_the_feed() -> None:
    made = record("Filled %d of %s", 3, "BTC")
    assert line_data(made) == {
        "level": "WARNING",
        "module": "desk.orders",
        "message": "Filled 3 of BTC",
        "timestamp": isoformat(datetime.fromtimestamp(made.created, UTC)),
    }


@pytest.mark.parametrize(
    ("number", "name"),
    [(20, "INFO"), (25, "INFO"), (30, "WARNING"), (39, "WARNING"), (40, "ERROR"), (99, "CRITICAL")],
)
def test_level_of_a_programs_own_is_the_next_one_below(number: int, name: str) -> None:
    assert level_name(number) == name
    assert name in LEVELS


def test_extra_fields_are_kept() -> None:
    logger = logging.Logger("desk")
    records: list[logging.LogRecord] = []
    logger.addHandler(collector := logging.Handler())
    collector.emit = records.append  # type: ignore[method-assign]
    logger.info("x", extra={"symbol": "BTC/USDT", "count": 3, "password": "hunter2"})
    assert line_data(records[0])["extra"] == {"symbol": "BTC/USDT", "count": 3, "password": "***"}


def test_exception_and_stack_are_kept() -> None:
    try:
        raise ValueError("token=feedfacefeedfacefeedface")
    except ValueError:
        data = line_data(
            record(exc_info=sys.exc_info(), stack_info="Stack (most recent call last)")
        )
    assert data["exception"].startswith("Traceback (most recent call last):\n")
    assert data["exception"].endswith("ValueError: token=***")
    assert data["stack"] == "Stack (most recent call last)"
    assert "extra" not in data


@pytest.mark.parametrize(
    ("message", "args", "shown"),
    [
        ("%d", ("no number",), "%d"),
        ("%s %s", ("one",), "%s %s"),
        ("%s", (Unshowable(),), "%s"),
        (7, (), "7"),
        ("Half \ud800 and NUL \x00", (), "Half ? and NUL \ufffd"),
    ],
)
def test_record_that_cannot_be_formatted_is_a_line_all_the_same(
    message: Any, args: tuple[Any, ...], shown: str
) -> None:
    data = line_data(record(message, *args))
    assert data["message"] == shown
    orjson.dumps(data)


def test_exception_that_cannot_be_shown_is_named() -> None:
    made = record(exc_info=(Unshowable, Unshowable(), None))
    assert "Unshowable" in line_data(made)["exception"]
    assert "exception" not in line_data(record(exc_info=(None, None, None)))


def test_lengths_are_bounded() -> None:
    try:
        raise ValueError("v" * 1_000_000)
    except ValueError:
        data = line_data(record("m" * 1_000_000, exc_info=sys.exc_info(), field="f" * 1_000_000))
    assert len(data["message"]) == MESSAGE_CHARACTERS
    assert len(data["exception"]) == TRACEBACK_CHARACTERS
    assert len(orjson.dumps(data)) < 30_000
