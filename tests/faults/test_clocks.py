"""Wall clocks that jump under load: the order is that of the numbers, and waits go by other clocks.

The clocks of both servers and of two writers jump; another writer's, and PostgreSQL's, are right.
"""

from __future__ import annotations

import random

import pytest

from tests.faults.conftest import StartCluster
from tests.faults.support import clocks
from tests.faults.support.clocks import Clock
from tests.faults.support.cluster import Cluster
from tests.faults.support.marks import CLUSTER
from tests.faults.support.proof import Proof

pytestmark = [
    *CLUSTER,
    pytest.mark.skipif(not clocks.IS_AVAILABLE, reason="needs a C compiler (cc)"),
]

HOUR = 3600
DAY = 24 * HOUR
JUMPS = [HOUR, -HOUR, DAY, -DAY]
EVENTS_MEANWHILE = 20
# Daphne looks every two seconds at what its connections' clocks say.
BEATS_MEANWHILE = 4
RIGHT = {"LD_PRELOAD": ""}


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def cluster(start_cluster: StartCluster, clock: Clock) -> Cluster:
    """Two servers whose clocks jump."""
    return start_cluster(**clock.environment)


async def test_clocks_that_jump_close_no_connection_and_reorder_nothing(
    cluster: Cluster, clock: Clock, proof: Proof
) -> None:
    jumps = random.sample(JUMPS, len(JUMPS))
    async with cluster.under_load() as load:
        load.add_writer(**RIGHT)
        for seconds in jumps:
            clock.jump(seconds)
            await load.has_beaten(BEATS_MEANWHILE)
            await load.goes_on(EVENTS_MEANWHILE)
    assert load.figures.connections_lost == 0
    proof.note(
        "wall clocks of the servers and of two writers jump",
        injected={"jumps_seconds": jumps},
        counted=load.figures.as_dict(),
    )
