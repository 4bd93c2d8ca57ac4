"""Redis unwell under load: what is written meanwhile arrives by the poll."""

from __future__ import annotations

import asyncio
import random

from tests.e2e.support.servers import LOOK_EVERY_SECONDS
from tests.faults.support.cluster import SERVERS, Cluster, Load
from tests.faults.support.delays import measure_delays
from tests.faults.support.marks import CLUSTER
from tests.faults.support.outages import Period, frozen, gone
from tests.faults.support.proof import Proof
from tests.faults.support.strangers import becomes_well, is_noticed

pytestmark = CLUSTER

AWAY_SECONDS = (4.0, 8.0)
FROZEN_SECONDS = 10.0
FLUSHES = 5
BETWEEN_FLUSHES_SECONDS = (0.2, 1.0)
# Servers poll every 0.25 seconds. What waited for Redis would be as late as Redis is long away.
LATEST_SECONDS = 2.0
RECOVERY_SECONDS = 30.0


async def is_heard_again(cluster: Cluster) -> None:
    """Wait until both servers listen to Redis, and somebody tells it something."""
    before = cluster.redis.count_published()
    async with asyncio.timeout(RECOVERY_SECONDS):
        while (
            cluster.redis.count_subscribers() < SERVERS or cluster.redis.count_published() <= before
        ):
            await asyncio.sleep(LOOK_EVERY_SECONDS)


def judge(fault: str, cluster: Cluster, load: Load, period: Period, proof: Proof) -> None:
    """What holds after every fault of Redis: nobody had to wait for it, and nobody was lost."""
    noted = cluster.noted()
    delays = [
        measure_delays(watcher, noted, period) for watcher in load.one_of_each_server("whole")
    ]
    proof.note(
        fault,
        injected={"seconds": period.seconds},
        counted=load.figures.as_dict() | {"delays": [each.as_dict() for each in delays]},
    )
    assert load.figures.connections_lost == 0
    for each in delays:
        assert each.commits > 0
        assert each.worst_seconds < LATEST_SECONDS


async def test_killed_redis_delays_events_by_the_poll_alone(cluster: Cluster, proof: Proof) -> None:
    async with cluster.under_load() as load:
        async with gone(cluster.redis, cluster.redis.kill) as period:
            await is_noticed(cluster)
            await asyncio.sleep(random.uniform(*AWAY_SECONDS))
        await is_heard_again(cluster)
        await becomes_well(cluster)
    judge("Redis killed and restarted", cluster, load, period, proof)


async def test_frozen_redis_delays_events_by_the_poll_alone(cluster: Cluster, proof: Proof) -> None:
    async with cluster.under_load() as load:
        async with frozen(cluster.redis) as period:
            await asyncio.sleep(FROZEN_SECONDS)
        await is_heard_again(cluster)
    judge("Redis frozen", cluster, load, period, proof)


async def test_emptied_redis_is_not_noticed(cluster: Cluster, proof: Proof) -> None:
    async with cluster.under_load() as load:
        period = Period()
        for _ in range(FLUSHES):
            cluster.redis.flush_all()
            await asyncio.sleep(random.uniform(*BETWEEN_FLUSHES_SECONDS))
        period.end()
        await is_heard_again(cluster)
    judge("Redis emptied", cluster, load, period, proof)
