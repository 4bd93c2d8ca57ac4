"""Redis unwell under load: what is written meanwhile arrives by the poll."""

from __future__ import annotations

import asyncio
import random

from tests.faults.support.cluster import Cluster
from tests.faults.support.marks import CLUSTER
from tests.faults.support.proof import Proof

pytestmark = CLUSTER

AWAY_SECONDS = (1.0, 4.0)


async def test_killed_redis_loses_nothing(cluster: Cluster, proof: Proof) -> None:
    away = random.uniform(*AWAY_SECONDS)
    async with cluster.under_load() as load:
        cluster.redis.kill()
        await asyncio.sleep(away)
        await load.goes_on(1)
        cluster.redis.start()
    assert load.figures.connections_lost == 0
    proof.note(
        "Redis killed and restarted",
        injected={"away_seconds": round(away, 2)},
        counted=load.figures.as_dict(),
    )
