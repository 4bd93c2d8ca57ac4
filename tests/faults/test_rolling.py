"""Rolling restarts under load: each server drains, and its clients come back in their own time."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.e2e.support.followers import Follower
from tests.e2e.support.processes import DEADLINE_SECONDS
from tests.faults.support.cluster import SERVERS, Cluster
from tests.faults.support.crowd import CLIENTS, Crowd
from tests.faults.support.marks import CLUSTER
from tests.faults.support.proof import Proof

pytestmark = CLUSTER

EVENTS_MEANWHILE = 10
# What the protocol promises about `reconnect_after`.
SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 5.0
# Of three hundred clients no second gets more, were they spread at random.
MOST_OF_ONE_SECOND = 0.5
LEAST_TENTHS = 10
LOOK_EVERY_SECONDS = 0.02
# It finds nothing by itself: neither Redis nor a look at the database tells it of events.
BLIND = {"REDIS_URL": "", "REALTIME_POLL_SECONDS": "3600"}


def check_spread(seconds: list[float]) -> dict[int, int]:
    """That clients were not all asked to come back in one moment; how many in which second."""
    assert SHORTEST_SECONDS <= min(seconds) <= max(seconds) <= LONGEST_SECONDS
    by_second = Counter(int(each) for each in seconds)
    assert max(by_second.values()) < MOST_OF_ONE_SECOND * len(seconds), by_second
    assert len({round(each, 1) for each in seconds}) >= LEAST_TENTHS
    return dict(sorted(by_second.items()))


async def all_have_resumed_since(resumes: list[int], crowd: Crowd) -> None:
    """Wait until every client has come back once more than it had."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while any(
            watcher.resumes <= before
            for watcher, before in zip(crowd.watchers, resumes, strict=True)
        ):
            await asyncio.sleep(LOOK_EVERY_SECONDS)


async def test_rolling_restart_misses_nothing_and_spreads_who_comes_back(
    cluster: Cluster, proof: Proof
) -> None:
    async with cluster.under_load() as load:
        for server in cluster.servers:
            assert await asyncio.to_thread(server.program.terminate) == 0, server.log
            await asyncio.to_thread(server.start)
            await load.goes_on(EVENTS_MEANWHILE)
    watchers = load.crowd.watchers
    # Whoever lost a connection was told before when to come back.
    assert all(len(watcher.asked_to_wait) == watcher.resumes for watcher in watchers)
    asked = [seconds for watcher in watchers for seconds in watcher.asked_to_wait]
    # Everybody's server has closed; some had come to the second before that one did.
    assert len(asked) >= CLIENTS
    proof.note(
        "both servers restarted in turn",
        injected={"restarts": SERVERS},
        counted=load.figures.as_dict() | {"asked_to_wait_by_second": check_spread(asked)},
    )


async def test_clients_that_are_ahead_of_a_restarted_server_wait_for_it(
    cluster: Cluster, proof: Proof
) -> None:
    blind, other = cluster.servers
    async with cluster.under_load() as load:
        assert await asyncio.to_thread(blind.program.terminate) == 0, blind.log
        await asyncio.to_thread(blind.start, **BLIND)
        witness = Follower(blind)
        await witness.connect()
        await witness.follow_until(lambda: witness.is_current)
        await load.goes_on(EVENTS_MEANWHILE)
        ahead = min(watcher.seq for watcher in load.crowd.watchers) - witness.seq
        assert ahead > 0
        resumes = [watcher.resumes for watcher in load.crowd.watchers]
        assert await asyncio.to_thread(other.program.terminate) == 0, other.log
        await all_have_resumed_since(resumes, load.crowd)
        await witness.close()
        await asyncio.to_thread(blind.stop)
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in cluster.servers))
    proof.note(
        "every client comes to a server that is behind it",
        injected={"events_behind": ahead},
        counted=load.figures.as_dict(),
    )
