"""The parts of one run, started in the order in which they need each other."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from signal import SIGQUIT
from typing import Self

from project.cluster.folder import Folder
from project.cluster.leftovers import remember
from project.cluster.nginx import write_configuration
from project.cluster.postgresql import (
    ROLE,
    database_url,
    make_database,
    start_postgresql,
)
from project.cluster.programs import Programs
from project.demo_account import HOST, demo_user, issue_token, migrate_database
from project.parts import (
    Part,
    StopRequest,
    ask_to_stop,
    start,
    start_python,
    stop,
    wait_until_ended,
    wait_until_live,
)
from project.ports import choose_free_port

COMMAND = "make run-cluster"
SERVER_COUNT = 2
# A connection through nginx is two files there.
OPEN_FILES = 16_384


class Cluster:
    """PostgreSQL and Redis; servers and a trader on them; nginx before the servers."""

    token = ""

    def __init__(self, programs: Programs, folder: Folder, stop_request: StopRequest) -> None:
        self._programs = programs
        self._folder = folder
        self._stop_request = stop_request
        self._services: list[Part] = []
        self._workers: list[Part] = []
        self._front: list[Part] = []
        self._ports: list[int] = []

    @property
    def parts(self) -> list[Part]:
        """What has been started so far."""
        return [*self._services, *self._workers, *self._front]

    @contextlib.contextmanager
    def running(self, port: int) -> Iterator[Self]:
        """Everything, serving on `port`; stopped at the end, whatever happened."""
        try:
            self._start_services()
            self._make_account()
            self._start_servers()
            self._start_nginx(port)
            self._start_trader()
            yield self
        finally:
            self._stop()
            self._folder.processes.unlink(missing_ok=True)

    def whereabouts(self) -> tuple[str, ...]:
        """Where the parts are, a line each."""
        servers = ", ".join(f"http://{HOST}:{port}" for port in self._ports)
        return (
            f"Servers   {servers}, behind nginx",
            f"Database  psql -h {self._folder.database} -U {ROLE}",
            f"Logs      {self._folder.path}/*.log",
        )

    def _add(self, group: list[Part], part: Part) -> Part:
        group.append(part)
        remember(self.parts, self._folder.processes)
        return part

    def _start_services(self) -> None:
        """Both are reached by Unix sockets in the folder alone; Redis keeps nothing."""
        socket = self._folder.path / "redis.sock"
        options = ("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700")
        redis = (self._programs.redis_server, *options, "--save", "", "--appendonly", "no")
        postgresql = self._add(self._services, start_postgresql(self._programs, self._folder))
        self._add(self._services, start("Redis", redis, log=self._folder.path / "redis.log"))
        make_database(postgresql, self._folder, self._stop_request)
        os.environ["DATABASE_URL"] = database_url(self._folder)
        os.environ["REDIS_URL"] = f"unix://{socket}"

    def _make_account(self) -> None:
        migrate_database()
        from django.conf import settings

        self.token = issue_token(demo_user(host=HOST, debug=settings.DEBUG), name=COMMAND)

    def _start_servers(self) -> None:
        _allow_many_files()
        for number in range(1, SERVER_COUNT + 1):
            port = choose_free_port(HOST)
            # nginx overwrites what clients say about their address.
            options = ("-b", HOST, "-p", str(port), "--proxy-headers")
            server = ("-m", "realtime.daphne", *options, "project.asgi:application")
            self._add(self._workers, start_python(f"server {number}", *server))
            self._ports.append(port)
        for port in self._ports:
            self._wait_until_live(port)

    def _start_nginx(self, port: int) -> None:
        path = self._folder.path
        configuration = write_configuration(path, listen=f"{HOST}:{port}", ports=self._ports)
        command = (self._programs.nginx, "-p", str(path), "-c", str(configuration))
        # SIGQUIT: take no more connections, and let those that are there end.
        nginx = start("nginx", command, stop_signal=SIGQUIT, log=path / "nginx.log")
        self._add(self._front, nginx)
        self._wait_until_live(port)

    def _start_trader(self) -> None:
        simulate = ("manage.py", "simulate", "--speed", "1")
        self._add(self._workers, start_python("the simulated trader", *simulate))

    def _wait_until_live(self, port: int) -> None:
        wait_until_live(self.parts, f"http://{HOST}:{port}/livez", self._stop_request)

    def _stop(self) -> None:
        """No new connections; the servers let their clients go; then what they stood on."""
        for nginx in self._front:
            ask_to_stop(nginx)
        for worker in self._workers:
            ask_to_stop(worker)
        for part in (*self._workers, *self._front):
            wait_until_ended(part)
        stop(reversed(self._services))


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
