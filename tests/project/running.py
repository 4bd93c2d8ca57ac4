"""A demo or a cluster, really started for a test, with a database of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Run:
    """A running module of the project; its output is read as it comes."""

    def __init__(self, module: str, folder: Path, port: int, environ: Mapping[str, str]) -> None:
        self.log = folder / "run.log"
        self.port = port
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT,
                env={**environ, "PORT": str(port)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def wait_for_output(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.output):
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"no {pattern!r} in:\n{self.output}")

    def children(self) -> dict[str, int]:
        """Its processes by their command lines."""
        me = self.process.pid
        ids = Path(f"/proc/{me}/task/{me}/children").read_text().split()
        return {Path(f"/proc/{pid}/cmdline").read_text(): int(pid) for pid in ids}

    def child(self, word: str) -> int:
        return next(pid for arguments, pid in self.children().items() if word in arguments)


class Demo(Run):
    """A running demo with a database of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        environ = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
        environ["DATABASE_URL"] = f"sqlite:///{folder}/db.sqlite3"
        super().__init__("project.demo", folder, port, environ)
