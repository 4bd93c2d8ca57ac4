"""Half a year of real prices, traded by another process: every client ends with the database."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.databases import Database
from tests.e2e.support.followers import Follower
from tests.e2e.support.markets import find_market
from tests.e2e.support.processes import Program
from tests.e2e.support.published import comparable, read_published
from tests.e2e.support.servers import Server
from tests.e2e.support.states import TAIL_EVENTS, Held, State

LEAST_EVENTS = 5_000
LEAST_RESUMES = 20
LEAST_RESYNCS = 3
TEST_SECONDS = 150
# So small that a client which stops reading is soon over it.
BUDGET_BYTES = 16 * 1024
EVENTS_OF_A_STALL = 900
EVENTS_BEFORE_A_DROP = range(50, 350)
JOIN_AT = (1_500, 3_500)
SYMBOL = "BTC/USDT"


class Replay:
    """The simulator in its own process, and the clients that watch it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.last_seq: int | None = None
        self.steady = Follower(server)
        self.filtered = Follower(server, {"feeds": "position_update", "symbol": SYMBOL})
        self.late = [Follower(server) for _ in JOIN_AT]
        self.dropping = [Follower(server) for _ in range(2)]
        self.stalling = [Follower(server, buffers_little=True) for _ in range(2)]

    @property
    def whole(self) -> list[Follower]:
        """The clients of the whole stream."""
        return [self.steady, *self.late, *self.dropping, *self.stalling]

    async def run(self, market: Path, log: Path) -> None:
        """Follow the simulator until it has ended and every client has its last event."""
        options = ("--replay", str(market), "--speed", "max", "--seed", "7")
        await self.steady.connect()
        async with asyncio.timeout(TEST_SECONDS), asyncio.TaskGroup() as tasks:
            tasks.create_task(self.steady.follow_until(self._is_done(self.steady)))
            tasks.create_task(self._follow(self.filtered))
            for client in self.dropping:
                tasks.create_task(self._drop_and_resume(client))
            for client in self.stalling:
                tasks.create_task(self._stop_reading_at_times(client))
            for client, seq in zip(self.late, JOIN_AT, strict=True):
                tasks.create_task(self._join_at(client, seq))
            simulator = Program(
                self.server.database.url, "manage.py", "simulate", *options, log=log
            )
            tasks.create_task(self._await_end(simulator))
        for client in [*self.whole, self.filtered]:
            await client.close()

    async def _await_end(self, simulator: Program) -> None:
        status = await asyncio.to_thread(simulator.wait, TEST_SECONDS)
        assert status == 0, simulator.output
        self.last_seq = self.server.database.row("SELECT head FROM realtime_stream")["head"]

    def _is_done(self, client: Follower, *, or_at: int | None = None) -> Callable[[], bool]:
        """Asks whether `client` has everything there will be, or everything up to `or_at`."""

        def is_done() -> bool:
            goals = [goal for goal in (self.last_seq, or_at) if goal is not None]
            return bool(goals) and client.seq >= min(goals) and client.is_current

        return is_done

    async def _follow(self, client: Follower) -> None:
        await client.connect()
        await client.follow_until(self._is_done(client))

    async def _join_at(self, client: Follower, seq: int) -> None:
        await self.steady.has_reached(seq)
        await self._follow(client)

    async def _drop_and_resume(self, client: Follower) -> None:
        is_done = self._is_done(client)
        while not is_done():
            await client.connect()
            goal = client.seq + random.choice(EVENTS_BEFORE_A_DROP)
            await client.follow_until(self._is_done(client, or_at=goal))
            await (client.close() if random.random() < 0.5 else client.abort())

    async def _stop_reading_at_times(self, client: Follower) -> None:
        is_done = self._is_done(client)
        await client.connect()
        while not is_done():
            goal = self.steady.seq + EVENTS_OF_A_STALL
            while self.steady.seq < goal and self.last_seq is None:
                await self.steady.moves()
            await client.follow_until(self._is_done(client, or_at=goal))


@pytest.fixture(scope="module")
def replay_server(start_server: StartServer) -> Server:
    return start_server(REALTIME_BUDGET_BYTES=str(BUDGET_BYTES))


async def test_every_client_ends_with_the_database(replay_server: Server, tmp_path: Path) -> None:
    replay = Replay(replay_server)
    await replay.run(find_market(tmp_path), tmp_path / "simulate.log")

    database = replay_server.database
    expected = read_published(database)
    for client in replay.whole:
        assert comparable(client.state.held) == expected
    assert comparable(replay.filtered.state.held) == of_symbol(expected)
    assert_log_is_gapless(database)
    assert_snapshots_are_what_the_events_make(replay)
    assert all(client.starts["resume", "snapshot"] == 0 for client in replay.whole)
    assert len(expected["system_log"]) == TAIL_EVENTS
    assert len(replay.steady.events) >= LEAST_EVENTS
    assert sum(client.resumes for client in replay.whole) >= LEAST_RESUMES
    assert sum(client.resyncs for client in replay.stalling) >= LEAST_RESYNCS


def of_symbol(expected: Held) -> Held:
    positions = expected["position_update"]
    assert isinstance(positions, dict)
    return {
        "position_update": {
            key: data for key, data in positions.items() if data["symbol"] == SYMBOL
        }
    }


def assert_log_is_gapless(database: Database) -> None:
    log = database.row(
        "SELECT count(*) AS events, count(DISTINCT seq) AS numbers, min(seq) AS first, "
        "max(seq) AS last FROM realtime_event"
    )
    assert log["first"] == 1
    assert log["events"] == log["numbers"] == log["last"]


def assert_snapshots_are_what_the_events_make(replay: Replay) -> None:
    """Old state and events are the fresh snapshot, at each number at which anybody got one."""
    events = {event["seq"]: event for client in replay.whole for event in client.events}
    snapshots = sorted(
        (snapshot for client in replay.whole for snapshot in client.snapshots),
        key=lambda snapshot: snapshot[0],
    )
    assert snapshots[0][0] == 0
    state, applied = State(KEYS), 0
    for seq, held in snapshots:
        while applied < seq:
            applied += 1
            state.apply(events[applied])
        assert held == state.held


KEYS = {
    "position_update": "position_id",
    "equity_update": "account",
    "risk_status_update": "account",
    "system_log": None,
}
