"""Servers of the tests' own, writers in further processes, and what they stand on."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

from tests.e2e.support.clients import COMMITTED
from tests.e2e.support.databases import Database
from tests.e2e.support.ledgers import Ledger
from tests.e2e.support.processes import DEADLINE_SECONDS, ROOT, Program
from tests.e2e.support.redis import Redis
from tests.e2e.support.servers import LOOK_EVERY_SECONDS, Server
from tests.faults.support.crowd import CLIENTS, LONGEST_SECONDS, Crowd, Watcher
from tests.faults.support.postgresql import Postgresql
from tests.faults.support.verdict import Figures, check_promises

SERVERS = 2
WRITERS = 2
# Each writer's commits a second; every one reaches up to 200 clients.
PER_SECOND = 10
# What belongs to the load before and after what is done to the cluster.
EVENTS_BEFORE = 30
EVENTS_AFTER = 30
HEARTBEAT_SECONDS = "1"
# More than one user's limit would let in.
CONNECTIONS = "1000"

_names = count(1)


class Site:
    """Servers on one database, writers beside them, and the load on it all."""

    def __init__(
        self,
        database: Database,
        tokens: Mapping[str, str],
        folder: Path,
        *,
        servers: int,
        **environment: str,
    ) -> None:
        """`environment` is that of every server and writer."""
        self.database = database
        self.ledger = Ledger(folder / "ledger")
        self._folder = folder
        self._writers: list[Program] = []
        self._environment = {
            "REALTIME_HEARTBEAT_SECONDS": HEARTBEAT_SECONDS,
            "REALTIME_MAX_CONNECTIONS_PER_USER": CONNECTIONS,
            **environment,
        }
        self.servers = [
            Server(database, tokens, folder, **self._environment) for _ in range(servers)
        ]

    def start(self) -> None:
        """Start the servers."""
        for server in self.servers:
            server.start()

    def dispose(self) -> None:
        """End everything that was started."""
        for writer in self._writers:
            writer.kill()
        for server in self.servers:
            server.dispose()

    def start_writer(
        self, *, per_second: int = PER_SECOND, root: Path = ROOT, **environment: str
    ) -> Program:
        """A writer in a process of its own, whose commits the ledger notes."""
        name = f"w{next(_names)}"
        arguments = (name, str(per_second))
        return self._start(name, "steady_writer", *arguments, root=root, **environment)

    async def open_transaction(self) -> tuple[Program, str]:
        """A process that has published in a transaction, which it commits on SIGTERM; its mark."""
        mark = f"t{next(_names)}"
        holder = self._start(mark, "long_transaction", mark)
        while "open" not in holder.output:
            assert not holder.has_ended, holder.output
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        return holder, mark

    def _start(
        self, name: str, module: str, *arguments: str, root: Path = ROOT, **environment: str
    ) -> Program:
        ledger = str(self._folder / "ledger")
        program = ("-m", f"tests.faults.support.{module}", ledger, *arguments)
        changes = {**self._environment, **environment}
        log = self._folder / f"{name}.log"
        writer = Program(self.database.url, *program, log=log, root=root, **changes)
        self._writers.append(writer)
        return writer

    def noted(self) -> dict[str, float]:
        """When each commit returned to its writer, by its mark; in seconds since 1970."""
        lines = (line.split() for line in self.ledger.lines())
        return {mark: float(seconds) for mark, seconds in lines}

    def committed(self) -> int:
        """The number that the newest committed event has, or will have."""
        return int(self.database.row(COMMITTED)["seq"])

    @asynccontextmanager
    async def under_load(
        self, *, clients: int = CLIENTS, **environment: str
    ) -> AsyncIterator[Load]:
        """Have a crowd watch and writers write; the body does what it likes to the site.

        When it ends, everything that was committed arrives, and `Load.figures` holds the verdict.
        `environment` is that of the writers that are there from the start.
        """
        # A test that failed may have left one dead.
        for server in self.servers:
            if server.program.has_ended:
                server.start()
        earlier = self.noted().keys()
        async with AsyncExitStack() as stack:
            crowd = await stack.enter_async_context(Crowd(self.servers, clients=clients))
            load = Load(self, crowd)
            stack.callback(load.kill_writers)
            for _ in range(WRITERS):
                load.add_writer(**environment)
            # Clients that have no snapshot yet have no number to count from.
            await crowd.has_reached(self.committed() + EVENTS_BEFORE)
            yield load
            await load.goes_on(EVENTS_AFTER)
            await load.stop_writers()
            await crowd.finish(self.committed())
            load.figures = check_promises(
                crowd,
                self.database,
                self.noted().keys() - earlier,
                snapshots_allowed=load.snapshots_allowed,
            )


class Cluster(Site):
    """Two servers on PostgreSQL and Redis: everything that a fault may hit."""

    def __init__(
        self,
        postgresql: Postgresql,
        redis: Redis,
        database: Database,
        tokens: Mapping[str, str],
        folder: Path,
        **environment: str,
    ) -> None:
        settings = {"REDIS_URL": redis.url, **environment}
        super().__init__(database, tokens, folder, servers=SERVERS, **settings)
        self.postgresql = postgresql
        self.redis = redis


class Load:
    """The crowd and the writers of one fault."""

    def __init__(self, site: Site, crowd: Crowd) -> None:
        self.crowd = crowd
        self.snapshots_allowed = False
        self.figures: Figures
        self.writers: list[Program] = []
        self._site = site

    def add_writer(
        self, *, per_second: int = PER_SECOND, root: Path = ROOT, **environment: str
    ) -> Program:
        """Let one more process write."""
        writer = self._site.start_writer(per_second=per_second, root=root, **environment)
        self.writers.append(writer)
        return writer

    async def has_died(self, program: Program) -> None:
        """Wait until a program has been killed at its failpoint."""
        status = await asyncio.to_thread(program.wait, LONGEST_SECONDS)
        assert status == -signal.SIGKILL, program.output

    async def goes_on(self, events: int) -> None:
        """Wait until every client has had so many more than the first of them has now."""
        newest = max(watcher.seq for watcher in self.crowd.watchers)
        await self.crowd.has_reached(newest + events)

    async def hears_of_delay(self) -> None:
        """Wait until a heartbeat of each server has said that the log cannot be read."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not all(
                any(watcher.longest_delay for watcher in self.crowd.at(server))
                for server in self._site.servers
            ):
                await asyncio.sleep(LOOK_EVERY_SECONDS)

    def one_of_each_server(self, kind: str) -> list[Watcher]:
        """The first client of that kind at each server."""
        return [
            next(watcher for watcher in self.crowd.at(server) if watcher.kind.name == kind)
            for server in self._site.servers
        ]

    async def has_beaten(self, times: int) -> None:
        """Wait until every client has had so many more heartbeats."""
        goal = min(watcher.beats for watcher in self.crowd.watchers) + times
        async with asyncio.timeout(LONGEST_SECONDS):
            for watcher in self.crowd.watchers:
                while watcher.beats < goal:
                    await watcher.moves()

    async def stop_writers(self) -> None:
        """Let those that still run end in order; no other may have ended but by a signal."""
        for writer in self.writers:
            writer.process.send_signal(signal.SIGTERM)
        for writer in self.writers:
            assert await asyncio.to_thread(writer.wait) <= 0, writer.output

    def kill_writers(self) -> None:
        """End those that still run, whatever has failed."""
        for writer in self.writers:
            writer.kill()
