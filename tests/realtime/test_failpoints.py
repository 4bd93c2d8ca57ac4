"""Failpoints: a process dies exactly where a test says, and nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
from realtime.failpoints import reach
for number in range(4):
    reach("here")
    print(number, flush=True)
    reach("there")
"""


def run(failpoint: str | None) -> tuple[int, list[str]]:
    """Run the program in a process of its own: its end, and what it printed before."""
    environ = {name: value for name, value in os.environ.items() if name != "FAILPOINT"}
    if failpoint is not None:
        environ["FAILPOINT"] = failpoint
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return finished.returncode, finished.stdout.split()


@pytest.mark.parametrize("failpoint", [None, "", "elsewhere", "elsewhere:1"])
def test_nothing_happens_where_no_failpoint_is_armed(failpoint: str | None) -> None:
    assert run(failpoint) == (0, ["0", "1", "2", "3"])


@pytest.mark.parametrize(
    ("failpoint", "printed"),
    [
        ("here", []),
        ("there", ["0"]),
        ("here:2", ["0", "1"]),
        ("there:0", ["0"]),
        ("there:3", ["0", "1", "2", "3"]),
    ],
)
def test_process_dies_at_its_failpoint(failpoint: str, printed: list[str]) -> None:
    assert run(failpoint) == (-signal.SIGKILL, printed)


@pytest.mark.parametrize(
    ("failpoint", "printed"),
    [("here:0:TERM", []), ("here::TERM", []), ("there:1:TERM", ["0", "1"])],
)
def test_failpoint_may_name_another_signal(failpoint: str, printed: list[str]) -> None:
    assert run(failpoint) == (-signal.SIGTERM, printed)


def test_process_that_survives_its_signal_goes_on() -> None:
    assert run("here:1:CONT") == (0, ["0", "1", "2", "3"])


def test_failpoint_beyond_the_end_is_never_reached() -> None:
    assert run("here:4")[0] == 0
