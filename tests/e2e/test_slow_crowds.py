"""A crowd that does not read beside one that does: memory, the others, and what comes after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import Message
from tests.e2e.support.followers import Follower
from tests.e2e.support.processes import DEADLINE_SECONDS
from tests.e2e.support.servers import DAPHNE, LOOK_EVERY_SECONDS, UVICORN, Server

BUDGET_BYTES = 256 * 1024
# A snapshot holds the last 50: more than a budget, and more than fits into one part.
EVENT_CHARACTERS = 8000
# Half a budget at a time: whoever reads is never behind by a whole one.
BURST_EVENTS = 16
BURSTS = 20
# Another server lets more of it wait in the system's own buffers.
BURSTS_ELSEWHERE = 40
# "10 % above": of the budgets while they stall, of what was there before when they are gone.
ALLOWANCE = 1.1
# Beside the budgets of a small crowd, what an allocator keeps for itself shows.
ALLOCATOR_BYTES = 2 * 1024 * 1024
RETURNING = 5


async def connect(server: Server, *, stalls: bool, number: int) -> Follower:
    """A client of the whole stream; every second one that stalls has a subscription of its own."""
    query = {"module": f"tests,{number}"} if stalls and number % 2 else None
    follower = Follower(server, query, buffers_little=stalls)
    await follower.connect()
    await follower.follow_until(lambda: follower.is_current)
    return follower


@asynccontextmanager
async def crowd(server: Server, size: int, *, stalls: bool) -> AsyncIterator[list[Follower]]:
    """Clients that hold the present state; all are gone at the end."""
    async with AsyncExitStack() as stack:
        found = []
        for number in range(size):
            found.append(await connect(server, stalls=stalls, number=number))
            stack.push_async_callback(found[-1].abort)
        yield found


async def flood(server: Server, reading: Iterable[Follower], *, bursts: int = BURSTS) -> int:
    """Publish far more than a budget as fast as everybody reads; returns the most memory seen."""
    most = 0
    for _ in range(bursts):
        await asyncio.to_thread(
            server.desk.call,
            "publish_logs_at_once",
            count=BURST_EVENTS,
            characters=EVENT_CHARACTERS,
        )
        await asyncio.gather(*(each.follow_to(each.seq + BURST_EVENTS) for each in reading))
        most = max(most, server.resident_bytes())
    return most


async def read_on(follower: Follower, seq: int) -> list[Message]:
    """Receive up to `seq`; returns the parts of snapshots on the way."""
    parts = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        while follower.seq < seq or not follower.is_current:
            message = await follower.receive()
            if message["type"] == "snapshot":
                parts.append(message)
    return parts


async def wait_for(is_so: Callable[[], bool]) -> bool:
    """Look again and again, for a minute at most."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so() and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    return is_so()


def connections(server: Server) -> int:
    count: int = server.fetch("/health").json["active_connections"]
    return count


@pytest.mark.parametrize(
    ("command", "size", "bursts"), [(DAPHNE, 100, BURSTS), (UVICORN, 20, BURSTS_ELSEWHERE)]
)
async def test_stalled_crowd_costs_its_budgets_and_is_forgotten_when_it_leaves(
    start_server: StartServer, command: tuple[str, ...], size: int, bursts: int
) -> None:
    server = start_server(
        command=command,
        REALTIME_BUDGET_BYTES=str(BUDGET_BYTES),
        REALTIME_RING_EVENTS=str(BURST_EVENTS),
        REALTIME_MAX_CONNECTIONS_PER_USER="1000",
        REALTIME_HEARTBEAT_SECONDS="5",
    )
    async with crowd(server, size, stalls=False) as reading:
        # What serving the readers alone makes the server allocate is not the others' doing.
        await flood(server, reading, bursts=bursts)
        before = server.resident_bytes()
        async with crowd(server, size, stalls=True) as stalled:
            first = reading[0].seq
            most = await flood(server, reading, bursts=bursts)
            head = reading[0].seq
            parts: list[Message] = []
            for slow in stalled[:RETURNING]:
                parts += await read_on(slow, head)
                assert len(slow.events) + slow.dropped["system_log"] == head - first
                assert slow.state.held["system_log"] == reading[0].state.held["system_log"]
            # More than a budget, in parts, in the place of what did not fit into one.
            assert {part["parts"] for part in parts} == {2}
        assert await wait_for(lambda: connections(server) == size)
        is_forgotten = await wait_for(lambda: server.resident_bytes() <= ALLOWANCE * before)
        after = server.resident_bytes()
        assert [each.resyncs for each in reading] == [0] * size
    noise = ALLOCATOR_BYTES if command is UVICORN else 0
    assert most - before <= ALLOWANCE * size * BUDGET_BYTES + noise
    assert is_forgotten, f"{after / 2**20:.0f} MiB, {before / 2**20:.0f} before they came"


@pytest.mark.parametrize("command", [DAPHNE, UVICORN])
async def test_client_that_never_reads_is_gone_in_the_end(
    start_server: StartServer, command: tuple[str, ...]
) -> None:
    server = start_server(
        command=command,
        REALTIME_BUDGET_BYTES=str(BUDGET_BYTES),
        REALTIME_TOO_SLOW_SECONDS="0.5",
        REALTIME_HEARTBEAT_SECONDS="0.2",
    )
    async with crowd(server, 1, stalls=False) as reading, crowd(server, 2, stalls=True):
        await flood(server, reading, bursts=BURSTS // 2)
        leaving = asyncio.create_task(wait_for(lambda: connections(server) == 1))
        await reading[0].follow_until(leaving.done)
        assert leaving.result()
    assert "Traceback" not in server.log, server.log
