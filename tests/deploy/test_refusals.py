"""A start that would go wrong in production ends with a sentence: commands and servers alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.support.processes import DEADLINE_SECONDS, ROOT, make_environment

STARTS = {
    "command": ("manage.py", "migrate"),
    "daphne": ("-m", "realtime.daphne", "-p", "0", "project.asgi:application"),
    "uvicorn": ("-m", "uvicorn", "--port", "0", "project.asgi:application"),
}
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "a-secret-of-a-test-that-is-longer-than-fifty-characters",
}
POSTGRESQL = {"DATABASE_URL": "postgres://realtime@127.0.0.1:1/realtime"}
MISTAKES = {
    "sqlite-on-several-hosts": (
        {"REALTIME_HOSTS": "2"},
        ("REALTIME_HOSTS", "SQLite", "DATABASE_URL"),
    ),
    "layer-in-memory-on-several-hosts": (
        {"REALTIME_HOSTS": "2", "REDIS_URL": "", **POSTGRESQL},
        ("REALTIME_HOSTS", "in memory", "REDIS_URL"),
    ),
    "everything-for-everybody": (
        {"REALTIME_ALLOW_ANONYMOUS": "1"},
        ("REALTIME_ALLOW_ANONYMOUS", "REALTIME_ANONYMOUS_FEEDS"),
    ),
    "public-secret": ({"SECRET_KEY": ""}, ("SECRET_KEY",)),
}


# Each mistake once, and one of them wherever it could be made.
CASES = [
    *(("daphne", mistake) for mistake in MISTAKES),
    *((start, "everything-for-everybody") for start in ("command", "uvicorn")),
]


@pytest.mark.parametrize(("start", "mistake"), CASES)
def test_start_is_refused_with_the_variable_and_the_remedy(
    start: str, mistake: str, tmp_path: Path
) -> None:
    changes, words = MISTAKES[mistake]
    database_url = f"sqlite:///{tmp_path}/db.sqlite3"
    run = subprocess.run(
        [sys.executable, *STARTS[start]],
        cwd=ROOT,
        env=make_environment(database_url, **(PRODUCTION | changes)),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert run.returncode != 0
    assert all(word in run.stderr for word in words), run.stderr
    if start == "daphne":
        assert "Traceback" not in run.stderr
