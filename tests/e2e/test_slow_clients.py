"""Clients that do not read: bounded memory, no effect on others, a snapshot of what they missed."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import Client
from tests.e2e.support.followers import Follower
from tests.e2e.support.servers import Server

BUDGET_BYTES = 256 * 1024
SLOW_CLIENTS = 10
BURSTS = 16
BURST_EVENTS = 250
EVENT_CHARACTERS = 4_000
FLOOD_BYTES = BURSTS * BURST_EVENTS * EVENT_CHARACTERS
# A budget, Twisted's buffer and what Python keeps of both, for each; and the server's own work.
MOST_BYTES = SLOW_CLIENTS * (BUDGET_BYTES + 512 * 1024) + 24 * 1024 * 1024
BLOCKING_EVENTS = 60


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Server:
    """One that keeps little by itself, so that what clients cost is seen."""
    return start_server(REALTIME_BUDGET_BYTES=str(BUDGET_BYTES), REALTIME_RING_EVENTS="100")


async def flood(server: Server, watcher: Follower) -> None:
    """Publish far more than any buffer holds, as fast as `watcher` takes it."""
    for _ in range(BURSTS):
        goal = watcher.seq + BURST_EVENTS
        await asyncio.to_thread(
            server.desk.call,
            "publish_logs_at_once",
            count=BURST_EVENTS,
            characters=EVENT_CHARACTERS,
        )
        await watcher.follow_to(goal)


async def test_clients_that_do_not_read_cost_bounded_memory_and_disturb_nobody(
    server: Server,
) -> None:
    watcher = Follower(server)
    await watcher.connect()
    await watcher.receive()
    # What the first flood makes the server allocate is not the slow clients' doing.
    await flood(server, watcher)
    slow = [Follower(server, buffers_little=True) for _ in range(SLOW_CLIENTS)]
    for client in slow:
        await client.connect()
    before = server.resident_bytes()
    await flood(server, watcher)
    grown = server.resident_bytes() - before
    assert MOST_BYTES < SLOW_CLIENTS * FLOOD_BYTES / 2, "the test could not fail"
    assert grown < MOST_BYTES, f"{grown / 2**20:.0f} MiB for {SLOW_CLIENTS} clients"
    assert watcher.resyncs == 0
    await watcher.close()
    for client in slow:
        await client.abort()


async def test_client_that_reads_again_gets_a_snapshot_that_counts_what_was_dropped(
    server: Server,
) -> None:
    watcher, slow = Follower(server), Follower(server, buffers_little=True)
    for client in (watcher, slow):
        await client.connect()
        await client.receive()
    first = slow.seq
    await flood(server, watcher)
    await slow.follow_to(watcher.seq)
    assert slow.resyncs >= 1
    assert slow.state.held == watcher.state.held
    # Each event has come, or is counted.
    assert slow.dropped.keys() == {"system_log"}
    assert len(slow.events) + slow.dropped["system_log"] == watcher.seq - first
    # The connection goes on as any other.
    server.desk.publish_log("after all")
    await slow.follow_to(watcher.seq + 1)
    assert slow.events[-1]["data"]["message"] == "after all"
    for client in (watcher, slow):
        await client.close()


async def test_client_that_is_too_slow_even_for_a_snapshot_is_closed_with_1013(
    start_server: StartServer,
) -> None:
    server = start_server(
        REALTIME_BUDGET_BYTES=str(BUDGET_BYTES),
        REALTIME_TOO_SLOW_SECONDS="0.5",
        REALTIME_HEARTBEAT_SECONDS="0.2",
    )
    watcher = Follower(server)
    await watcher.connect()
    slow = await Client.connect(server, buffers_little=True)
    await slow.receive_type("snapshot")
    # More than the socket takes, and little enough to be read while the close waits for its answer.
    server.desk.call("publish_logs_at_once", count=BLOCKING_EVENTS, characters=EVENT_CHARACTERS)
    await watcher.follow_until(lambda: watcher.seq >= BLOCKING_EVENTS)
    # The server closes it by its own clock, which the watcher hears: it begins to read just then.
    for _ in range(6):
        await watcher.client.receive_type("heartbeat")
    messages, code, reason = await slow.receive_until_closed()
    assert (messages[-1]["code"], messages[-1]["fatal"]) == ("too_slow", True)
    assert (code, reason) == (1013, "too_slow")
    await watcher.close()
