"""Power cuts: writers and servers die at any moment; what was committed arrives all the same."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import COMMITTED, Message
from tests.e2e.support.databases import IS_POSTGRESQL
from tests.e2e.support.followers import Follower
from tests.e2e.support.ledger_writer import ROLLED_BACK
from tests.e2e.support.ledgers import Ledger
from tests.e2e.support.processes import DEADLINE_SECONDS, Program
from tests.e2e.support.published import comparable, read_published
from tests.e2e.support.servers import Server

pytestmark = pytest.mark.faults

KILL_ROUNDS = int(os.environ.get("KILL_ROUNDS", "5"))
CLIENTS = 2
# A server that looks at the database this seldom leaves a dead writer's events lying for a while.
SELDOM_SECONDS = "0.3"
EVENTS_OF_A_ROUND = 40
LONGEST_DELAY_SECONDS = 0.05
EVENTS = "SELECT seq, id, feed, key, action, data FROM realtime_event ORDER BY seq"

NUMBERING = ("before_numbering", "while_numbering", "after_numbering") if IS_POSTGRESQL else ()
WRITER_FAILPOINTS = ("before_commit", "after_commit", *NUMBERING)
SERVER_FAILPOINTS = ("between_batches", *NUMBERING)

_names = count(1)


class Watch:
    """Clients that follow a server through everything, and the writers of its database."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.ledger = Ledger(folder / "ledger")
        self._folder = folder
        self.followers = [Follower(server) for _ in range(CLIENTS)]
        self._goal: int | None = None
        self._writers: list[Program] = []

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow meanwhile, and to the last event afterwards."""
        for follower in self.followers:
            await follower.connect()
        try:
            async with asyncio.TaskGroup() as tasks:
                for follower in self.followers:
                    tasks.create_task(self._follow(follower))
                yield
                self._goal = self.committed()
        finally:
            for writer in self._writers:
                writer.kill()
            for follower in self.followers:
                await follower.close()

    async def _follow(self, follower: Follower) -> None:
        def is_done() -> bool:
            goal = self._goal
            return goal is not None and follower.seq >= goal and follower.is_current

        seconds = DEADLINE_SECONDS * (1 + KILL_ROUNDS / 5)
        await follower.follow_through(is_done, deadline_seconds=seconds)

    def start_writer(self, **environment: str) -> Program:
        """A writer whose marks are its own."""
        name = f"w{next(_names)}"
        program = ("-m", "tests.e2e.support.ledger_writer", str(self._folder / "ledger"), name)
        log = self._folder / f"{name}.log"
        writer = Program(self.server.database.url, *program, log=log, **environment)
        self._writers.append(writer)
        return writer

    def committed(self) -> int:
        """The number that the newest committed event has, or will have."""
        return int(self.server.database.row(COMMITTED)["seq"])

    def not_arrived(self) -> int:
        """How many committed events some client has not had yet."""
        return self.committed() - min(follower.seq for follower in self.followers)

    async def has_grown(self, events: int) -> None:
        """Wait until every client has had so many more."""
        goal = max(follower.seq for follower in self.followers) + events
        async with asyncio.timeout(DEADLINE_SECONDS):
            for follower in self.followers:
                await follower.has_reached(goal)

    def assert_all_arrived(self) -> None:
        """What was committed, and nothing else, in its order, once, at every client."""
        rows = self.server.database.rows(EVENTS)
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
        noted = set(self.ledger.lines())
        assert len(noted) > KILL_ROUNDS
        for follower in self.followers:
            assert [told(event) for event in follower.events] == [
                (row["seq"], row["id"], row["feed"], row["action"], json.loads(row["data"]))
                for row in rows
            ]
            marks = {mark for event in follower.events for mark in marks_of(event)}
            assert noted <= marks
            assert not [mark for mark in marks if mark.startswith(ROLLED_BACK)]
            assert comparable(follower.state.held) == read_published(self.server.database)
            assert follower.starts["resume", "snapshot"] == 0
            assert follower.resyncs == 0


def told(event: Message) -> tuple[int, int, str, str, dict[str, object]]:
    return event["seq"], event["event"], event["type"], event["action"], event["data"]


def marks_of(event: Message) -> set[str]:
    fields = ("strategy_id", "close_reason", "message")
    return {event["data"][name] for name in fields if event["data"].get(name)}


async def test_all_that_killed_writers_committed_arrives(
    start_server: StartServer, tmp_path: Path
) -> None:
    watch = Watch(start_server(REALTIME_POLL_SECONDS=SELDOM_SECONDS), tmp_path)
    left = 0
    async with watch.following():
        for _ in range(KILL_ROUNDS):
            writer = watch.start_writer()
            await watch.has_grown(EVENTS_OF_A_ROUND)
            # Any moment will do: this waits for nothing.
            await asyncio.sleep(random.uniform(0, LONGEST_DELAY_SECONDS))
            writer.kill()
            left += watch.not_arrived()
        for failpoint in WRITER_FAILPOINTS:
            writer = watch.start_writer(FAILPOINT=f"{failpoint}:{random.randint(10, 40)}")
            assert await asyncio.to_thread(writer.wait) < 0, writer.output
            left += watch.not_arrived()
    assert left > 0, "no kill left anything for others to pick up"
    watch.assert_all_arrived()


async def test_writer_that_dies_after_its_commit_has_committed(
    start_server: StartServer, tmp_path: Path
) -> None:
    """The commit that it never learned of arrives, the one that it did not come to does not."""
    watch = Watch(start_server(), tmp_path)
    async with watch.following():
        for failpoint, is_committed in (("before_commit", False), ("after_commit", True)):
            before = len(watch.ledger.lines())
            writer = watch.start_writer(FAILPOINT=f"{failpoint}:20")
            assert await asyncio.to_thread(writer.wait) < 0, writer.output
            noted = len(watch.ledger.lines()) - before
            await watch.followers[0].has_reached(watch.committed())
            marks = [mark for event in watch.followers[0].events for mark in marks_of(event)]
            name = watch.ledger.lines()[-1].partition("-")[0]
            assert (f"{name}-{noted + 1}" in marks) is is_committed
    watch.assert_all_arrived()


async def test_nothing_is_missed_when_the_server_is_killed_in_mid_stream(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    watch = Watch(server, tmp_path)
    async with watch.following():
        writer = watch.start_writer()
        for _ in range(KILL_ROUNDS):
            await watch.has_grown(EVENTS_OF_A_ROUND)
            server.program.kill()
            server.start()
        await watch.has_grown(EVENTS_OF_A_ROUND)
        assert await asyncio.to_thread(writer.terminate) == 0, writer.output
    watch.assert_all_arrived()
    # What a dead server had sent may keep a client busy until the next one is dead, too.
    assert sum(follower.resumes for follower in watch.followers) >= KILL_ROUNDS
    replays = [follower.starts["resume", "replay"] for follower in watch.followers]
    assert any(replays), "no kill left anything for others to pick up"


@pytest.mark.parametrize("failpoint", SERVER_FAILPOINTS)
async def test_nothing_is_missed_when_the_server_dies_between_two_steps(
    start_server: StartServer, tmp_path: Path, failpoint: str
) -> None:
    # Without Redis the server reads the log; where its writer does not number, it does.
    server = start_server(REDIS_URL="")
    watch = Watch(server, tmp_path)
    relays = {"REALTIME_RELAY": "0"} if failpoint in NUMBERING else {}
    async with watch.following():
        server.program.kill()
        server.start(FAILPOINT=f"{failpoint}:5")
        writer = watch.start_writer(REDIS_URL="", **relays)
        assert await asyncio.to_thread(server.program.wait) < 0, server.log
        server.start()
        await watch.has_grown(EVENTS_OF_A_ROUND)
        assert await asyncio.to_thread(writer.terminate) == 0, writer.output
    watch.assert_all_arrived()
    # One of them at least was there when it died.
    assert max(follower.resumes for follower in watch.followers) == 2
    assert min(follower.resumes for follower in watch.followers) >= 1
