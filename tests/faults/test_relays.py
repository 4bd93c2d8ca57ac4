"""Many relays at once: whichever numbers, the stream is one gapless order."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Iterable
from pathlib import Path

from tests.e2e.support.processes import DEADLINE_SECONDS, Program
from tests.faults.support.cluster import Cluster
from tests.faults.support.marks import CLUSTER
from tests.faults.support.proof import Proof

pytestmark = CLUSTER

WRITERS = 4
PER_SECOND = 2
PASSES = (1, 4)
FROZEN_SECONDS = (0.5, 1.5)
LOOK_EVERY_SECONDS = 0.02
WAITING = (
    "SELECT count(*) AS relays FROM pg_stat_activity WHERE datname = current_database() "
    "AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE' AND query LIKE '%realtime_stream%'"
)


def is_frozen(writer: Program) -> bool:
    """Whether its thread that numbers has been stopped, and so all of it."""
    status = Path(f"/proc/{writer.process.pid}/status").read_text(encoding="ascii")
    return "\nState:\tT" in status


async def one_is_frozen(writers: Iterable[Program]) -> Program:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            for writer in writers:
                if is_frozen(writer):
                    return writer
            await asyncio.sleep(LOOK_EVERY_SECONDS)


async def test_relays_that_wait_for_each_other_number_in_one_order(
    cluster: Cluster, proof: Proof
) -> None:
    """One is frozen while it holds the stream: all others, of writers and servers, queue up."""
    most_waiting = 0
    async with cluster.under_load() as load:
        armed = f"while_numbering:{random.randint(*PASSES)}:STOP"
        writers = {load.add_writer(per_second=PER_SECOND, FAILPOINT=armed) for _ in range(WRITERS)}
        while writers:
            frozen = await one_is_frozen(writers)
            writers.remove(frozen)
            await asyncio.sleep(random.uniform(*FROZEN_SECONDS))
            most_waiting = max(most_waiting, cluster.database.row(WAITING)["relays"])
            frozen.process.send_signal(signal.SIGCONT)
    assert most_waiting > 2
    assert load.figures.connections_lost == 0
    proof.note(
        "relays of six writers and two servers number at once",
        injected={"frozen_while_numbering": WRITERS, "most_waiting_for_one": most_waiting},
        counted=load.figures.as_dict(),
    )
