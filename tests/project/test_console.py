"""The console: lines or JSON, without credentials, at a level of its own."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.project.test_environment import run_python

SECRET = "feedfacefeedfacefeedface"
PROGRAM = f"""
import logging, django
django.setup()
logger = logging.getLogger("desk")
logger.debug("a debug line")
logger.info("an info line", extra={{"count": 3, "api_key": "{SECRET}"}})
try:
    raise ValueError("/ws?token={SECRET}")
except ValueError:
    logger.exception("GET /ws?token=%s", "{SECRET}")
"""


def run(**variables: str) -> subprocess.CompletedProcess[str]:
    return run_python("-c", PROGRAM, REALTIME_LOG_HANDLER="off", **variables)


def json_lines(run: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.stderr.splitlines()]


def test_lines_are_for_people() -> None:
    shown = run().stderr
    assert " INFO desk: an info line\n" in shown
    assert " ERROR desk: GET /ws?token=***\nTraceback (most recent call last):\n" in shown
    assert shown.endswith("ValueError: /ws?token=***\n")


def test_json_is_for_programs() -> None:
    info, error = json_lines(run(LOG_FORMAT="json"))
    assert info.pop("timestamp").endswith("Z")
    assert info == {
        "level": "INFO",
        "module": "desk",
        "message": "an info line",
        "extra": {"count": 3, "api_key": "***"},
    }
    assert (error["level"], error["message"]) == ("ERROR", "GET /ws?token=***")
    assert error["exception"].endswith("ValueError: /ws?token=***")


@pytest.mark.parametrize(("format", "level"), [("line", "ERROR"), ("json", "DEBUG")])
def test_console_keeps_to_its_level_and_shows_no_credential(format: str, level: str) -> None:
    shown = run(LOG_FORMAT=format, LOG_LEVEL=level).stderr
    assert SECRET not in shown
    assert "/ws?token=***" in shown
    assert ("an info line" in shown) == (level == "DEBUG")
    assert ("a debug line" in shown) == (level == "DEBUG")
    # The feed calls none of its lines so.
    assert ('"level": "DEBUG"' in shown) == (format == "json")
