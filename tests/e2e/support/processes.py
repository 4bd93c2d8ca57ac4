"""Programs of the project as processes of their own: their environment, their output, their end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_SECONDS = 120.0
# What a developer's shell may hold must not decide a test.
OUR_VARIABLES = (
    *("REALTIME_", "RISK_", "EMAIL_", "FAILPOINT"),
    *("SECRET_KEY", "DEBUG", "ALLOWED_HOSTS"),
)


def make_environment(database_url: str, **changes: str) -> dict[str, str]:
    """The environment of a program on that database: Redis as the tests were given it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OUR_VARIABLES)}
    ours = {
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        # Events are counted; the tests of the system log turn it on.
        "REALTIME_LOG_HANDLER": "off",
    }
    return {**kept, **ours, "PYTHONUNBUFFERED": "1", **changes}


def run_manage(database_url: str, *arguments: str, root: Path = ROOT, **changes: str) -> str:
    """Run a management command to its end; returns what it printed, fails when it fails."""
    return run_python(database_url, "manage.py", *arguments, root=root, **changes)


def run_python(database_url: str, *arguments: str, root: Path = ROOT, **changes: str) -> str:
    """Run Python with these arguments to its end; returns what it printed, fails when it fails.

    `root` is the folder of the project whose code it runs.
    """
    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=make_environment(database_url, **changes),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert run.returncode == 0, f"{arguments} ended with {run.returncode}:\n{run.stderr}"
    return run.stdout


class Program:
    """A Python program in the background; what it prints goes to a file."""

    def __init__(
        self, database_url: str, *arguments: str, log: Path, root: Path = ROOT, **changes: str
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=root,
                env=make_environment(database_url, **changes),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self.process.poll() is not None

    def wait(self, deadline_seconds: float = DEADLINE_SECONDS) -> int:
        """Wait for its end; returns the exit status, negative for a signal."""
        return self.process.wait(deadline_seconds)

    def terminate(self, deadline_seconds: float = DEADLINE_SECONDS) -> int:
        """Ask it to stop, and wait until it has."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(deadline_seconds)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.wait()
