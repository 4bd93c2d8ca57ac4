"""The real server as a process on a free port: started, asked over HTTP, stopped, killed."""

from __future__ import annotations

import http.client
import json
import random
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.support.databases import Database
from tests.e2e.support.desk import Desk
from tests.e2e.support.processes import DEADLINE_SECONDS, ROOT, Program

DAPHNE = ("-m", "realtime.daphne", "-b", "127.0.0.1", "-p", "{port}", "project.asgi:application")
UVICORN = ("-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "project.asgi:application")
HEARTBEAT_SECONDS = 0.5
# Below the ports that the system gives to outgoing connections.
PORTS = range(20_000, 32_000)
LOOK_EVERY_SECONDS = 0.02


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: http.client.HTTPMessage
    body: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Server:
    """One server process at a time, always on the same port and database."""

    def __init__(
        self,
        database: Database,
        tokens: Mapping[str, str],
        folder: Path,
        *,
        command: tuple[str, ...] = DAPHNE,
        options: tuple[str, ...] = (),
        **environment: str,
    ) -> None:
        self.database = database
        self.tokens = tokens
        self.port = choose_port()
        self.command = command
        # The folder of the project whose code its next process runs.
        self.root = ROOT
        self._options = options
        self._environment = {"REALTIME_HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS), **environment}
        self._log = folder / f"server-{self.port}.log"
        self._desk: Desk | None = None
        self.program: Program

    @property
    def desk(self) -> Desk:
        """A writer on the same database, in another process."""
        if self._desk is None:
            self._desk = Desk(self.database.url, self._log.with_name("desk.log"))
        return self._desk

    @property
    def log(self) -> str:
        """What every process of it has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def start(self, **changes: str) -> None:
        """Start a process and wait until it answers; `changes` hold for this process alone."""
        self.launch(**changes)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not self._answers():
            assert not self.program.has_ended, f"the server ended:\n{self.log}"
            assert time.monotonic() < deadline, f"the server does not answer:\n{self.log}"
            time.sleep(LOOK_EVERY_SECONDS)

    def launch(self, **changes: str) -> None:
        """Start a process, which may end at any moment."""
        arguments = [part.format(port=self.port) for part in (*self.command, *self._options)]
        environment = {**self._environment, **changes}
        self.program = Program(
            self.database.url, *arguments, log=self._log, root=self.root, **environment
        )

    def stop(self) -> None:
        """Stop the process, if one runs."""
        if not self.program.has_ended:
            self.program.terminate()

    def dispose(self) -> None:
        """Stop everything that belongs to it."""
        self.stop()
        if self._desk is not None:
            self._desk.close()

    def fetch(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        user: str | None = None,
    ) -> Answer:
        """Ask over HTTP, as `user` with its token if one is named."""
        sent = dict(headers or {})
        if user is not None:
            sent["Authorization"] = f"Token {self.tokens[user]}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        try:
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def resident_bytes(self) -> int:
        """The memory that the process occupies."""
        status = Path(f"/proc/{self.program.process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def _answers(self) -> bool:
        try:
            return self.fetch("/livez").status == 200
        except OSError:
            return False


def choose_port() -> int:
    """A port that nobody listens on."""
    # Not the seeded one: two runs of the tests at a time must not choose the same.
    chooser = random.SystemRandom()
    while True:
        port = chooser.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
