"""Two servers and a writer on one database: every client sees the one order, wherever it is."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import COMMITTED, Client
from tests.e2e.support.databases import IS_POSTGRESQL, Database
from tests.e2e.support.desk import Desk
from tests.e2e.support.followers import Follower
from tests.e2e.support.processes import Program
from tests.e2e.support.published import comparable, read_published
from tests.e2e.support.servers import Server

REDIS_URL = os.environ.get("REDIS_URL", "")
NO_REDIS = ""
NEEDS_SERVICES = "needs PostgreSQL and Redis: set DATABASE_URL and REDIS_URL"
HAS_SERVICES = bool(IS_POSTGRESQL and REDIS_URL)
# SQLite's servers never use a layer: all their processes are on one machine.
PAIRS = ["pair", *(["redis_pair"] if HAS_SERVICES else [])]
NEVER_SECONDS = "3600"
WARM_UP_SECONDS = 0.2
BARS = 40
LOGS = 20
LEAST_EVENTS = 150


@dataclass(frozen=True)
class Pair:
    """Two servers of one database, and a process that writes."""

    one: Server
    other: Server
    desk: Desk

    @property
    def database(self) -> Database:
        return self.one.database

    def committed(self) -> int:
        """The number that the newest event has, or will have."""
        return int(self.database.row(COMMITTED)["seq"])


def make_pair(start_server: StartServer, log: Path, redis_url: str) -> Pair:
    one = start_server(REDIS_URL=redis_url)
    other = start_server(beside=one, REDIS_URL=redis_url)
    return Pair(one, other, Desk(one.database.url, log, REDIS_URL=redis_url))


@pytest.fixture(scope="module")
def pair(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Without Redis: they find each other's events by looking at the database."""
    made = make_pair(start_server, tmp_path_factory.mktemp("pair") / "desk.log", NO_REDIS)
    yield made
    made.desk.close()


@pytest.fixture(scope="module")
def redis_pair(
    start_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """With Redis, by which they tell each other."""
    made = make_pair(start_server, tmp_path_factory.mktemp("pair") / "desk.log", REDIS_URL)
    yield made
    made.desk.close()


async def follow_all(followers: Sequence[Follower], seq: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        for follower in followers:
            tasks.create_task(follower.follow_to(seq))


async def follow_while(follower: Follower, writing: asyncio.Task[int]) -> None:
    """Receive until what `writing` wrote last is here."""
    await follower.follow_through(lambda: writing.done() and follower.seq >= writing.result())


async def close_all(followers: Sequence[Follower]) -> None:
    for follower in followers:
        await follower.close()


def write(pair: Pair, log: Path) -> int:
    """Trade, and log beside it: two relays number, and each server's does; the newest number."""
    options = ("--seed", "7", "--bars", str(BARS), "--speed", "max")
    simulator = Program(pair.database.url, "manage.py", "simulate", *options, log=log)
    for number in range(LOGS):
        pair.desk.publish_log(str(number))
    assert simulator.wait() == 0, simulator.output
    return pair.committed()


@pytest.mark.parametrize("name", PAIRS)
async def test_all_clients_of_both_servers_see_one_gapless_order(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    pair: Pair = request.getfixturevalue(name)
    followers = [Follower(server) for server in (pair.one, pair.other) for _ in range(2)]
    begins_after = {(await follower.connect())["seq"] for follower in followers}
    writing = asyncio.create_task(asyncio.to_thread(write, pair, tmp_path / "simulate.log"))
    async with asyncio.TaskGroup() as tasks:
        for follower in followers:
            tasks.create_task(follow_while(follower, writing))
    await close_all(followers)

    first, *others = ([event["event"] for event in each.events] for each in followers)
    assert [len(first)] == [writing.result() - seq for seq in begins_after]
    assert len(first) >= LEAST_EVENTS
    assert all(each == first for each in others)
    expected = read_published(pair.database)
    assert all(comparable(each.state.held) == expected for each in followers)
    # Nobody lost anything that a snapshot had to make good.
    assert all(each.resyncs == 0 for each in followers)


async def test_events_arrive_at_servers_that_only_poll(pair: Pair) -> None:
    followers = [Follower(pair.one), Follower(pair.other)]
    for follower in followers:
        await follower.connect()
    for number in range(3):
        pair.desk.publish_log(str(number))
        await follow_all(followers, pair.committed())
    await close_all(followers)


async def reach_by_layer(follower: Follower, desk: Desk) -> None:
    """Publish until it has heard: a server that has just started may not listen yet."""
    since = (await follower.connect())["seq"]
    hearing = asyncio.create_task(follower.follow_through(lambda: follower.seq > since))
    while not hearing.done():
        await asyncio.to_thread(desk.publish_log, "Is anybody there?")
        await asyncio.wait([hearing], timeout=WARM_UP_SECONDS)
    await hearing


@pytest.mark.services
@pytest.mark.skipif(not HAS_SERVICES, reason=NEEDS_SERVICES)
async def test_events_arrive_through_redis_without_any_poll(
    start_server: StartServer, redis_pair: Pair
) -> None:
    blind = start_server(beside=redis_pair.one, REALTIME_POLL_SECONDS=NEVER_SECONDS)
    follower = Follower(blind)
    await reach_by_layer(follower, redis_pair.desk)
    for number in range(10):
        redis_pair.desk.publish_log(str(number))
        await follower.follow_to(redis_pair.committed())
    # A batch that is too large for the layer goes as its numbers, and is read from the log.
    redis_pair.desk.call("publish_logs_at_once", count=100, characters=4000)
    await follower.follow_to(redis_pair.committed())
    await follower.close()


async def test_client_moves_to_the_other_server_and_misses_nothing(pair: Pair) -> None:
    follower = Follower(pair.one)
    await follower.connect()
    for server in (pair.other, pair.one, pair.other):
        pair.desk.publish_log("before the move")
        await follower.follow_to(pair.committed())
        await follower.close()
        pair.desk.publish_log("between")
        follower.move_to(server)
        await follower.connect()
        pair.desk.publish_log("after it")
        await follower.follow_to(pair.committed())
    await follower.close()
    assert follower.resumes == 3
    assert len(follower.snapshots) == 1


async def test_client_that_is_ahead_of_its_new_server_waits_until_it_has_caught_up(
    start_server: StartServer, pair: Pair
) -> None:
    """A server that nothing has told of the events: only the client's number makes it look."""
    behind = start_server(beside=pair.one, REDIS_URL=NO_REDIS, REALTIME_POLL_SECONDS=NEVER_SECONDS)
    watcher = Follower(behind)
    await watcher.connect()
    follower = Follower(pair.one)
    await follower.connect()
    for number in range(5):
        pair.desk.publish_log(str(number))
    await follower.follow_to(pair.committed())
    await follower.close()
    async with await Client.connect(behind, {"snapshot": 0}) as client:
        assert (await client.receive())["seq"] < follower.seq

    follower.move_to(behind)
    established = await follower.connect()
    assert (established["resume"], established["seq"]) == ("live", pair.committed())
    await watcher.follow_to(follower.seq)
    await close_all([follower, watcher])
    assert len(follower.snapshots) == 1


async def test_client_moves_to_a_server_that_was_frozen(pair: Pair) -> None:
    witness = Follower(pair.other)
    await witness.connect()
    follower = Follower(pair.one)
    await follower.connect()
    frozen = pair.other.program.process
    frozen.send_signal(signal.SIGSTOP)
    try:
        for number in range(5):
            pair.desk.publish_log(str(number))
        await follower.follow_to(pair.committed())
        await follower.close()
        follower.move_to(pair.other)
        moving = asyncio.create_task(follower.connect())
        # The kernel takes the connection; the server answers once it goes on.
        await asyncio.wait([moving], timeout=WARM_UP_SECONDS)
        assert not moving.done()
        assert witness.seq < pair.committed()
    finally:
        frozen.send_signal(signal.SIGCONT)
    assert (await moving)["resume"] == "live"
    pair.desk.publish_log("after all")
    await follow_all([follower, witness], pair.committed())
    await close_all([follower, witness])
    assert (follower.resumes, len(follower.snapshots)) == (1, 1)
