"""PostgreSQL, Redis, a migrated database and two servers, for as long as a block lasts."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.e2e.support.databases import PostgresqlDatabase
from tests.e2e.support.desk import Desk
from tests.e2e.support.processes import run_manage, run_python
from tests.e2e.support.redis import Redis
from tests.faults.support.cluster import Cluster
from tests.faults.support.postgresql import Postgresql
from tests.soak.collecting import SERVER
from tests.soak.sampling import name_of

Command = tuple[str, ...]


@contextmanager
def running_cluster(
    *, commands: Sequence[Command] = (SERVER, SERVER), **environment: str
) -> Iterator[tuple[Cluster, Desk]]:
    """A cluster whose servers run `commands`, and a desk that floods it.

    Each server's database connections have a name of its own.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="realtime-soak-")))
        postgresql, redis = Postgresql(), Redis()
        stack.callback(postgresql.dispose)
        postgresql.create()
        redis.start()
        stack.callback(redis.kill)
        database = PostgresqlDatabase("soak", server_url=postgresql.url)
        database.create()
        run_manage(database.url, "migrate", "--verbosity", "0")
        tokens = json.loads(run_python(database.url, "-m", "tests.e2e.support.seeding"))
        cluster = Cluster(postgresql, redis, database, tokens, folder, **environment)
        stack.callback(cluster.dispose)
        for server, command in zip(cluster.servers, commands, strict=True):
            server.command = command
            server.start(PGAPPNAME=name_of(server))
        log = folder / "desk.log"
        flooding = Desk(database.url, log, actions="tests.soak.flooding", REDIS_URL=redis.url)
        stack.callback(flooding.close)
        yield cluster, flooding
