"""Where a measurement takes place: a database, a server on its core, the load on another."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from benchmarks import machine
from benchmarks.databases import POSTGRESQL, fresh_database, redis_url
from benchmarks.machine import Cores

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
STOP_SECONDS = 15.0
APPLICATION = "benchmarks.application:application"
# What a developer's shell may hold and a measurement must not see.
FOREIGN_PREFIXES = ("REALTIME_", "RISK_")
FOREIGN_NAMES = frozenset({"DATABASE_URL", "REDIS_URL", "DEBUG", "SECRET_KEY", "LOG_LEVEL"})


class Failed(Exception):
    """A measurement could not be made."""


@dataclass
class Stage:
    """A prepared database and the environment that every process of a measurement gets."""

    folder: Path
    environ: dict[str, str]
    cores: Cores
    token: str = ""
    _exits: ExitStack = field(default_factory=ExitStack)

    def run(self, module: str, order: Mapping[str, Any], **environ: str) -> Any:
        """Run `python -m module`, on the load's core, and return its answer."""
        process = self.start(module, order, **environ)
        return self.answer_of(process)

    def start(self, module: str, order: Mapping[str, Any], **environ: str) -> subprocess.Popen[str]:
        """Start `python -m module`, on the load's core; `answer_of` waits for it."""
        process = subprocess.Popen(
            [sys.executable, "-m", module, orjson.dumps(order).decode()],
            cwd=ROOT,
            env=self.environ | environ,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=_pinned_to(self.cores.load),
        )
        self._exits.callback(_end, process)
        return process

    def answer_of(self, process: subprocess.Popen[str]) -> Any:
        """The JSON that a process printed; raises Failed when it failed."""
        output, _ = process.communicate()
        if process.returncode:
            raise Failed(f"{process.args} ended with {process.returncode}")
        return orjson.loads(output)

    def serve(self, **environ: str) -> Server:
        """Start the server on its core and wait until it answers."""
        server = Server(self, environ)
        self._exits.callback(server.stop)
        server.wait_until_alive()
        return server

    def generate(self) -> Load:
        """Start the load generator on its core."""
        load = Load(self)
        self._exits.callback(_end, load.process)
        return load

    def close(self) -> None:
        """End every process of this stage, the last one first."""
        self._exits.close()


class Server:
    """The server as a user would run it, with a writer inside that a measurement may start."""

    def __init__(self, stage: Stage, environ: Mapping[str, str]) -> None:
        self.port = _free_port()
        self.core = stage.cores.server
        self._log = stage.folder / "server.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "realtime.daphne"),
                    *("-b", "127.0.0.1", "-p", str(self.port), "-v", "0", APPLICATION),
                ],
                cwd=ROOT,
                env=stage.environ | environ,
                stdout=log,
                stderr=log,
                preexec_fn=_pinned_to(self.core),
            )

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.process.pid

    def wait_until_alive(self) -> None:
        """Wait for the first answer; raises Failed with the log's end when none comes."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.ask("/livez")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise Failed(f"the server does not start:\n{self._log.read_text()[-2000:]}")

    def ask(self, path: str, content: Mapping[str, Any] | None = None) -> None:
        """Send a request, a POST with `content` when that is given."""
        data = None if content is None else orjson.dumps(content)
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, data=data, timeout=5) as response:
            response.read()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the server do nothing for a while."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it."""
        _end(self.process)


class Load:
    """The load generator, as its orders are given."""

    def __init__(self, stage: Stage) -> None:
        self._token = stage.token
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.generator"],
            cwd=ROOT,
            env=stage.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=_pinned_to(stage.cores.load),
        )

    def connect(
        self, server: Server, *, clients: int, path: str = "/ws", seconds: float = 120.0
    ) -> Any:
        """Connect clients and wait for their snapshots."""
        return self._order(
            do="connect",
            port=server.port,
            path=path,
            token=self._token,
            clients=clients,
            seconds=seconds,
        )

    def finish(self, *, changes: Path | None, seconds: float = 20.0) -> Any:
        """Wait until every client has every change, and return what was received."""
        return self._order(do="finish", changes=str(changes or ""), seconds=seconds)

    def _order(self, **order: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(orjson.dumps(order) + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer = orjson.loads(line) if line else {"error": "the load generator died"}
        if "error" in answer:
            raise Failed(answer["error"])
        return answer


@contextmanager
def open_stage(kind: str, *, positions: int) -> Iterator[Stage]:
    """A migrated database of that kind with a user and positions, and nothing running yet."""
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        url = exits.enter_context(fresh_database(kind, folder))
        stage = Stage(folder, _environ(url, kind), machine.choose_cores())
        exits.callback(stage.close)
        stage.token = stage.run("benchmarks.prepare", {"positions": positions})["token"]
        yield stage


def _environ(url: str, kind: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in FOREIGN_NAMES and not name.startswith(FOREIGN_PREFIXES)
    }
    return kept | {
        "DATABASE_URL": url,
        # As in production: in development Django keeps a copy of every statement.
        "DEBUG": "0",
        "HTTPS": "0",
        "LOG_LEVEL": "ERROR",
        # Events are counted: what the server says of itself is none of them.
        "REALTIME_LOG_HANDLER": "off",
        "RISK_WATCH_SECONDS": "0",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "REALTIME_MAX_CONNECTIONS_PER_USER": "20000",
        "REDIS_URL": redis_url() if kind == POSTGRESQL else "",
    }


def _pinned_to(core: int) -> Callable[[], None]:
    return lambda: os.sched_setaffinity(0, {core})


def _end(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
