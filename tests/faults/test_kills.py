"""`kill -9` under load: servers and writers die at any moment, and between any two steps."""

from __future__ import annotations

import asyncio
import random

from tests.faults.support.cluster import SERVERS, Cluster
from tests.faults.support.crowd import CLIENTS
from tests.faults.support.marks import CLUSTER
from tests.faults.support.proof import Proof

pytestmark = CLUSTER

NUMBERING = ("before_numbering", "while_numbering", "after_numbering", "after_publishing")
WRITER_FAILPOINTS = ("before_commit", "after_commit", *NUMBERING)
SERVER_FAILPOINTS = (*NUMBERING, "between_audiences")
PASSES = (3, 15)
EVENTS_MEANWHILE = 10
NO_REDIS = ""


def failpoint(name: str) -> str:
    """To be passed a random number of times."""
    return f"{name}:{random.randint(*PASSES)}"


async def start_all(cluster: Cluster) -> None:
    await asyncio.gather(*(asyncio.to_thread(server.start) for server in cluster.servers))


async def test_killed_server_costs_its_clients_nothing(cluster: Cluster, proof: Proof) -> None:
    killed = random.choice(cluster.servers)
    async with cluster.under_load() as load:
        killed.program.kill()
        # Its clients have come back to the other one.
        await load.goes_on(EVENTS_MEANWHILE)
        await asyncio.to_thread(killed.start)
    assert load.figures.connections_lost == CLIENTS // SERVERS
    assert load.figures.resumed == load.figures.connections_lost
    proof.note("server killed", injected={"servers": 1}, counted=load.figures.as_dict())


async def test_killed_writer_leaves_nothing_lying(cluster: Cluster, proof: Proof) -> None:
    """Wherever its relay is: what it committed is numbered and sent by others."""
    async with cluster.under_load() as load:
        load.writers[0].kill()
        left = cluster.committed() - min(watcher.seq for watcher in load.crowd.watchers)
        for name in WRITER_FAILPOINTS:
            writer = load.add_writer(FAILPOINT=failpoint(name))
            await load.has_died(writer)
    assert load.figures.connections_lost == 0
    proof.note(
        "writer killed, at any moment and at failpoints",
        injected={"failpoints": WRITER_FAILPOINTS, "not_arrived_at_the_first_kill": left},
        counted=load.figures.as_dict(),
    )


async def test_servers_die_while_they_number_and_send(cluster: Cluster, proof: Proof) -> None:
    """No other process numbers, and each time nobody serves until the next one does."""
    dying, other = cluster.servers
    async with cluster.under_load(REALTIME_RELAY="off") as load:
        dying.program.kill()
        for name in SERVER_FAILPOINTS:
            dying.launch(FAILPOINT=failpoint(name))
            other.program.kill()
            await load.has_died(dying.program)
            dying, other = other, dying
        await start_all(cluster)
    assert load.figures.resumed >= CLIENTS
    proof.note(
        "server killed while it numbers and sends",
        injected={"failpoints": SERVER_FAILPOINTS},
        counted=load.figures.as_dict(),
    )


async def test_server_that_dies_between_two_batches_of_the_log(
    cluster: Cluster, proof: Proof
) -> None:
    """Without Redis it reads what others have numbered."""
    dying, other = cluster.servers
    async with cluster.under_load() as load:
        dying.program.kill()
        dying.launch(REDIS_URL=NO_REDIS, FAILPOINT=failpoint("between_batches"))
        other.program.kill()
        await load.has_died(dying.program)
        await start_all(cluster)
    assert load.figures.resumed >= CLIENTS
    proof.note(
        "server killed between two batches that it reads",
        injected={"failpoints": ["between_batches"]},
        counted=load.figures.as_dict(),
    )
