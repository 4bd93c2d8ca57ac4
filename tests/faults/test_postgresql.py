"""PostgreSQL unwell under load: clients stay, are told of it, and get everything afterwards."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import psycopg
import pytest

from tests.faults.support.cluster import Cluster, Load
from tests.faults.support.marks import CLUSTER
from tests.faults.support.outages import Period, frozen, gone
from tests.faults.support.proof import Proof
from tests.faults.support.strangers import (
    ask_health,
    becomes_well,
    find_it_away,
    is_let_in,
    is_unwell,
)
from tests.faults.support.verdict import marks_of

pytestmark = CLUSTER

AWAY_SECONDS = (1.0, 4.0)
LONG_SECONDS = 10.0
CUTS = 5
BETWEEN_CUTS_SECONDS = (0.1, 1.0)
# Of heartbeats there is one in each second; after three that did not come a client gives up.
LONGEST_SILENCE_SECONDS = 4.0
EVENTS_MEANWHILE = 60
HEAD = "SELECT head FROM realtime_stream"
LOCKS = {
    "the stream's row": "SELECT 1 FROM realtime_stream FOR UPDATE",
    "the events": "LOCK TABLE realtime_event IN ACCESS EXCLUSIVE MODE",
}


@pytest.fixture(scope="module")
def server_settings() -> Mapping[str, str]:
    """Whatever is done to the database, it is asked meanwhile what clients may see."""
    return {"REALTIME_RECHECK_SECONDS": "1"}


def judge(fault: str, load: Load, period: Period, proof: Proof) -> None:
    """What holds after every fault of PostgreSQL: nobody was lost, and nobody left in the dark."""
    silences = [
        watcher.longest_silence(period.since, period.until) for watcher in load.crowd.watchers
    ]
    proof.note(
        fault,
        injected={"seconds": period.seconds},
        counted=load.figures.as_dict() | {"longest_silence_seconds": round(max(silences), 2)},
    )
    assert load.figures.connections_lost == 0
    assert max(silences) < LONGEST_SILENCE_SECONDS


@pytest.mark.parametrize("end", ["stopped", "killed"])
async def test_database_that_restarts_loses_nothing(
    cluster: Cluster, proof: Proof, end: str
) -> None:
    ends = {"stopped": cluster.postgresql.stop, "killed": cluster.postgresql.kill}
    async with cluster.under_load() as load:
        async with gone(cluster.postgresql, ends[end]) as period:
            await load.hears_of_delay()
            await find_it_away(cluster)
            await asyncio.sleep(random.uniform(*AWAY_SECONDS))
        await becomes_well(cluster)
    judge(f"PostgreSQL {end} and restarted", load, period, proof)


async def test_frozen_database_freezes_nobody_else(cluster: Cluster, proof: Proof) -> None:
    async with cluster.under_load() as load:
        async with frozen(cluster.postgresql) as period:
            over = asyncio.create_task(asyncio.sleep(LONG_SECONDS))
            await load.hears_of_delay()
            await find_it_away(cluster)
            assert not over.done(), "they were told only when it was over"
            await over
        await becomes_well(cluster)
    judge("PostgreSQL frozen", load, period, proof)


async def test_terminated_connections_are_made_anew(cluster: Cluster, proof: Proof) -> None:
    ended = 0
    async with cluster.under_load() as load:
        period = Period()
        for _ in range(CUTS):
            ended += await asyncio.to_thread(cluster.postgresql.terminate_connections)
            await asyncio.sleep(random.uniform(*BETWEEN_CUTS_SECONDS))
        period.end()
        await becomes_well(cluster)
    assert ended > 0
    judge("PostgreSQL's connections terminated", load, period, proof)


@pytest.mark.parametrize("what", LOCKS)
async def test_lock_delays_events_and_nothing_else(
    cluster: Cluster, proof: Proof, what: str
) -> None:
    async with cluster.under_load() as load:
        with psycopg.connect(cluster.database.url) as holder:
            holder.execute(LOCKS[what])
            period = Period()
            over = asyncio.create_task(asyncio.sleep(LONG_SECONDS))
            await load.hears_of_delay()
            for server in cluster.servers:
                assert is_unwell(await ask_health(server))
                await is_let_in(server)
            assert not over.done(), "they were served only when it was over"
            await over
            holder.rollback()
            period.end()
        await becomes_well(cluster)
    judge(f"PostgreSQL with a lock on {what}", load, period, proof)


async def test_long_transaction_delays_its_own_event_alone(cluster: Cluster, proof: Proof) -> None:
    async with cluster.under_load() as load:
        transaction, mark = await cluster.open_transaction()
        period = Period()
        over = asyncio.create_task(asyncio.sleep(LONG_SECONDS))
        await load.goes_on(EVENTS_MEANWHILE)
        assert not over.done(), "others waited for it"
        await over
        head = cluster.database.row(HEAD)["head"]
        assert await asyncio.to_thread(transaction.terminate) == 0, transaction.output
        period.end()
    judge("PostgreSQL with a long transaction", load, period, proof)
    for watcher in load.one_of_each_server("whole"):
        (event,) = (each for each in watcher.events if mark in marks_of(each))
        assert event["seq"] > head


async def test_database_and_redis_may_restart_together(cluster: Cluster, proof: Proof) -> None:
    parts = [(cluster.postgresql, cluster.postgresql.stop), (cluster.redis, cluster.redis.kill)]
    first, second = random.sample(parts, k=len(parts))
    async with cluster.under_load() as load:
        async with gone(*first) as period, gone(*second):
            await load.hears_of_delay()
            await asyncio.sleep(random.uniform(*AWAY_SECONDS))
        await becomes_well(cluster)
    judge("PostgreSQL and Redis restarted", load, period, proof)
