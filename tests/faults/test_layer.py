"""A channel layer that loses, doubles and reorders: the log makes good what it spoils."""

from __future__ import annotations

from tests.faults.conftest import StartCluster
from tests.faults.support import lossy_layer
from tests.faults.support.marks import CLUSTER
from tests.faults.support.proof import Proof

pytestmark = CLUSTER

SETTINGS = "tests.faults.support.lossy_settings"
# Hundreds of batches, so that each way of spoiling them comes in every order with the others.
EVENTS_MEANWHILE = 150


async def test_layer_that_loses_doubles_and_reorders_costs_nothing(
    start_cluster: StartCluster, proof: Proof
) -> None:
    cluster = start_cluster(DJANGO_SETTINGS_MODULE=SETTINGS)
    async with cluster.under_load() as load:
        await load.goes_on(EVENTS_MEANWHILE)
    assert load.figures.connections_lost == 0
    proof.note(
        "a layer that loses, doubles and reorders",
        injected={
            "lost": lossy_layer.LOST,
            "doubled": lossy_layer.DOUBLED,
            "delayed": lossy_layer.DELAYED,
            "longest_delay_seconds": lossy_layer.LONGEST_DELAY_SECONDS,
        },
        counted=load.figures.as_dict(),
    )
