"""A PostgreSQL, a Redis and two servers of the tests' own, and writers in further processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

from tests.e2e.support.clients import COMMITTED
from tests.e2e.support.databases import Database
from tests.e2e.support.ledgers import Ledger
from tests.e2e.support.processes import Program
from tests.e2e.support.redis import Redis
from tests.e2e.support.servers import Server
from tests.faults.support.crowd import CLIENTS, Crowd
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


class Cluster:
    """Everything that a fault may hit, and the load on it."""

    def __init__(
        self,
        postgresql: Postgresql,
        redis: Redis,
        database: Database,
        tokens: Mapping[str, str],
        folder: Path,
        **environment: str,
    ) -> None:
        """`environment` is that of every server and writer."""
        self.postgresql = postgresql
        self.redis = redis
        self.database = database
        self.ledger = Ledger(folder / "ledger")
        self._folder = folder
        self._writers: list[Program] = []
        self._environment = {
            "REDIS_URL": redis.url,
            "REALTIME_HEARTBEAT_SECONDS": HEARTBEAT_SECONDS,
            "REALTIME_MAX_CONNECTIONS_PER_USER": CONNECTIONS,
            **environment,
        }
        self.servers = [
            Server(database, tokens, folder, **self._environment) for _ in range(SERVERS)
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

    def start_writer(self, *, per_second: int = PER_SECOND, **environment: str) -> Program:
        """A writer in a process of its own, whose commits the ledger notes."""
        name = f"w{next(_names)}"
        ledger = str(self._folder / "ledger")
        program = ("-m", "tests.faults.support.steady_writer", ledger, name, str(per_second))
        changes = {**self._environment, **environment}
        log = self._folder / f"{name}.log"
        writer = Program(self.database.url, *program, log=log, **changes)
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
    async def under_load(self, *, clients: int = CLIENTS) -> AsyncIterator[Load]:
        """Have a crowd watch and writers write; the body does what it likes to the cluster.

        When it ends, everything that was committed arrives, and `Load.figures` holds the verdict.
        """
        async with AsyncExitStack() as stack:
            crowd = await stack.enter_async_context(Crowd(self.servers, clients=clients))
            load = Load(self, crowd)
            stack.callback(load.kill_writers)
            for _ in range(WRITERS):
                load.add_writer()
            await load.goes_on(EVENTS_BEFORE)
            yield load
            await load.goes_on(EVENTS_AFTER)
            load.stop_writers()
            await crowd.finish(self.committed())
            load.figures = check_promises(
                crowd, self.database, self.noted(), snapshots_allowed=load.snapshots_allowed
            )


class Load:
    """The crowd and the writers of one fault."""

    def __init__(self, cluster: Cluster, crowd: Crowd) -> None:
        self.crowd = crowd
        self.snapshots_allowed = False
        self.figures: Figures
        self.writers: list[Program] = []
        self._cluster = cluster

    def add_writer(self, **environment: str) -> Program:
        """Let one more process write."""
        writer = self._cluster.start_writer(**environment)
        self.writers.append(writer)
        return writer

    async def goes_on(self, events: int) -> None:
        """Wait until every client has had so many more than the first of them has now."""
        newest = max(watcher.seq for watcher in self.crowd.watchers)
        await self.crowd.has_reached(newest + events)

    def stop_writers(self) -> None:
        """Let those that still run end in order."""
        for writer in self.writers:
            if not writer.has_ended:
                assert writer.terminate() == 0, writer.output

    def kill_writers(self) -> None:
        """End those that still run, whatever has failed."""
        for writer in self.writers:
            writer.kill()
