"""A server that leaks does not pass the soak: a minute is enough to find it."""

from __future__ import annotations

import pytest

from tests.e2e.support import redis
from tests.faults.support import postgresql
from tests.soak.collecting import SERVER
from tests.soak.report import Report
from tests.soak.sampling import name_of
from tests.soak.services import Command, running_cluster
from tests.soak.soak import ENVIRONMENT, Soak

SECONDS = 60.0

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        not (redis.IS_INSTALLED and postgresql.IS_INSTALLED),
        reason="needs the programs of PostgreSQL and Redis",
    ),
]


def leaking(sort: str) -> Command:
    _, _, *options = SERVER
    return ("-m", "tests.soak.leaking", sort, *options)


async def soak(*commands: Command) -> tuple[Report, list[str]]:
    with running_cluster(commands=commands, **ENVIRONMENT) as (cluster, desk):
        report = await Soak(cluster, desk, seconds=SECONDS).run()
        return report, [name_of(server) for server in cluster.servers]


async def test_leaks_of_memory_and_of_database_connections_are_found() -> None:
    report, (one, other) = await soak(leaking("memory"), leaking("database-connections"))
    assert "resident_bytes" in report.grown(one), report.text()
    assert {"descriptors", "database_connections"} <= report.grown(other), report.text()
    assert not report.grown(one) & {"threads", "database_connections"}, report.text()


async def test_connections_that_nobody_has_are_found() -> None:
    report, (one, other) = await soak(leaking("members"), SERVER)
    assert "strangers" in report.grown(one), report.text()
    assert not report.grown(other), report.text()
