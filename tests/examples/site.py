"""The notes example as a site of its own, where nothing but `realtime` is beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.project.running import DEADLINE_SECONDS, ROOT, free_port

EXAMPLE = ROOT / "examples" / "notes"


class Site:
    """The example in a folder of its own, `realtime` beside it, as its README puts them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "server.log"
        ignore = shutil.ignore_patterns("__pycache__", "*.sqlite3*")
        shutil.copytree(EXAMPLE, folder, ignore=ignore, dirs_exist_ok=True)
        (folder / "realtime").symlink_to(ROOT / "realtime")
        ours = (
            "DJANGO_",
            "REALTIME_",
            "RISK_",
            "DATABASE_",
            "REDIS_",
            "SECRET_",
            "PYTEST_",
            "PYTHONPATH",
        )
        self.environ = {
            name: value for name, value in os.environ.items() if not name.startswith(ours)
        }

    def python(self, *arguments: str, input: str = "", **variables: str) -> str:
        run = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environ | variables,
            input=input,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def manage(self, *arguments: str) -> str:
        return self.python("manage.py", *arguments)

    @contextmanager
    def served(self) -> Iterator[None]:
        command = ("-m", "realtime.daphne", "-p", str(self.port), "config.asgi:application")
        with self.log.open("ab") as log:
            server = subprocess.Popen(
                [sys.executable, *command],
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_until_live(server)
            yield
        finally:
            server.terminate()
            server.wait(DEADLINE_SECONDS)

    def _wait_until_live(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline and server.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/livez").close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(self.log.read_text(encoding="utf-8"))
