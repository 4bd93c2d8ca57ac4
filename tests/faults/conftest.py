"""For the fault tests: one PostgreSQL for all, a Redis and two servers for each module."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import count

import pytest

from tests.e2e.support.databases import PostgresqlDatabase
from tests.e2e.support.processes import run_manage, run_python
from tests.e2e.support.redis import Redis
from tests.faults.support.cluster import Cluster
from tests.faults.support.postgresql import Postgresql
from tests.faults.support.proof import Proof

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))

_numbers = count(1)

StartCluster = Callable[..., Cluster]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each fault as often as FAULT_ROUNDS says, at other moments each time."""
    if "nth_round" in metafunc.fixturenames:
        metafunc.parametrize("nth_round", range(1, ROUNDS + 1))


@pytest.fixture(scope="session")
def proof() -> Iterator[Proof]:
    """The record of this run."""
    made = Proof()
    yield made
    made.write()


@pytest.fixture(scope="session")
def postgresql(proof: Proof) -> Iterator[Postgresql]:
    """A PostgreSQL server of these tests' own."""
    server = Postgresql()
    server.create()
    proof.versions["postgresql"] = server.version
    yield server
    server.dispose()


@pytest.fixture(scope="session")
def blank(postgresql: Postgresql) -> PostgresqlDatabase:
    """A migrated database with users, of which copies are made."""
    database = PostgresqlDatabase("blank", server_url=postgresql.url)
    database.create()
    run_manage(database.url, "migrate", "--verbosity", "0")
    return database


@pytest.fixture(scope="session")
def tokens(blank: PostgresqlDatabase) -> Mapping[str, str]:
    """The key of each user's token."""
    keys: dict[str, str] = json.loads(run_python(blank.url, "-m", "tests.e2e.support.seeding"))
    return keys


@pytest.fixture(scope="module")
def server_settings() -> Mapping[str, str]:
    """What a module's servers are started with besides; a module may say otherwise."""
    return {}


@pytest.fixture(scope="module")
def start_cluster(
    postgresql: Postgresql,
    blank: PostgresqlDatabase,
    tokens: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[StartCluster]:
    """Starts clusters, each on a database and a Redis of its own; they end with the module."""
    with ExitStack() as stack:

        def start(**environment: str) -> Cluster:
            redis = Redis()
            redis.start()
            stack.callback(redis.kill)
            database = blank.copy(f"copy{next(_numbers)}")
            stack.callback(database.drop)
            folder = tmp_path_factory.mktemp("cluster")
            made = Cluster(postgresql, redis, database, tokens, folder, **environment)
            stack.callback(made.dispose)
            made.start()
            return made

        yield start


@pytest.fixture(scope="module")
def cluster(start_cluster: StartCluster, server_settings: Mapping[str, str]) -> Cluster:
    """Two servers that the tests of a module share."""
    return start_cluster(**server_settings)
