"""A Redis of a test's own: what it does to it concerns nobody else."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import time

from tests.e2e.support.processes import DEADLINE_SECONDS
from tests.e2e.support.servers import LOOK_EVERY_SECONDS, choose_port

PROGRAM = "redis-server"
IS_INSTALLED = shutil.which(PROGRAM) is not None


class Redis:
    """One process at a time, always on the same port; it stores nothing on disk."""

    def __init__(self) -> None:
        self._port = choose_port()
        self._process: subprocess.Popen[bytes]
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ("--port", str(self._port), "--bind", "127.0.0.1", "--save", "")
        self._process = subprocess.Popen(
            [PROGRAM, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(LOOK_EVERY_SECONDS)

    def freeze(self) -> None:
        """Let it take connections and bytes, and answer nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def flush_all(self) -> None:
        """Empty it."""
        assert self._ask("FLUSHALL") == "+OK"

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()

    def count_subscribers(self) -> int:
        """How many connections hear the channel layer."""
        lines = self._ask("CLIENT LIST TYPE pubsub")
        return lines.count("cmd=")

    def count_published(self) -> int:
        """How many messages it was given since it was started."""
        found = re.search(r"cmdstat_publish:calls=(\d+)", self._ask("INFO commandstats"))
        return int(found[1]) if found else 0

    def _answers(self) -> bool:
        try:
            return self._ask("PING") == "+PONG"
        except OSError:
            return False

    def _ask(self, command: str) -> str:
        with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(65536).decode().rstrip()
