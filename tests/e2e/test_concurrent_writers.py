"""Threads and processes that write the same rows at once: one gapless order, the newest is true."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import COMMITTED
from tests.e2e.support.databases import Database
from tests.e2e.support.followers import Follower
from tests.e2e.support.processes import Program
from tests.e2e.support.published import comparable, comparable_data, read_position, read_published

PROCESSES = 2
THREADS = 4
STEPS = 40
SHARED = 3
NEWEST_EVENTS = (
    "SELECT key, data FROM realtime_event WHERE feed = 'position_update' AND seq IN "
    "(SELECT max(seq) FROM realtime_event GROUP BY feed, key)"
)
TROUBLES = ("Traceback", "database is locked", "deadlock", "could not serialize")


async def test_writers_at_once_make_one_true_order(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    database = server.database
    keys = [server.desk.call("open_position") for _ in range(SHARED)]
    follower = Follower(server)
    await follower.connect()
    program = ("-m", "tests.e2e.support.contending_writer", str(THREADS), str(STEPS), *keys)
    writers = [
        Program(database.url, *program, log=tmp_path / f"{number}.log")
        for number in range(PROCESSES)
    ]
    ended = asyncio.gather(*(asyncio.to_thread(writer.wait) for writer in writers))
    await follower.follow_through(ended.done)
    for status, writer in zip(await ended, writers, strict=True):
        assert status == 0, writer.output
        assert not [word for word in TROUBLES if word in writer.output]
    await follower.follow_to(database.row(COMMITTED)["seq"])
    await follower.close()

    assert not [word for word in TROUBLES if word in server.log], server.log
    assert follower.resyncs == 0
    assert comparable(follower.state.held) == read_published(database)
    assert_gapless(database)
    assert_newest_events_are_the_rows(database)
    assert_nothing_was_lost(database, follower, [json.loads(each.output) for each in writers])
    for key in keys:
        assert_in_order_of_commits(follower, key)


def assert_gapless(database: Database) -> None:
    numbers = [row["seq"] for row in database.rows("SELECT seq FROM realtime_event ORDER BY seq")]
    assert len(numbers) > PROCESSES * THREADS * STEPS
    assert numbers == list(range(1, len(numbers) + 1))


def assert_newest_events_are_the_rows(database: Database) -> None:
    newest = database.rows(NEWEST_EVENTS)
    assert len(newest) == database.row("SELECT count(*) AS rows FROM trading_position")["rows"]
    for event in newest:
        assert comparable_data(json.loads(event["data"])) == read_position(database, event["key"])


def assert_nothing_was_lost(
    database: Database, follower: Follower, added: list[dict[str, dict[str, int]]]
) -> None:
    """Each addition is in its row once."""
    fees = sum((Counter(each["fees"]) for each in added), Counter())
    leverages = sum((Counter(each["leverages"]) for each in added), Counter())
    assert fees
    assert leverages
    for key in fees | leverages:
        row = read_position(database, key)
        assert row["fees"] == fees[key]
        assert row["leverage"] == 1 + leverages[key]
        assert len(events_of(follower, key)) >= fees[key] + leverages[key]


def assert_in_order_of_commits(follower: Follower, key: str) -> None:
    """What only ever grows under the row's lock grows from event to event."""
    figures = events_of(follower, key)
    assert len(figures) > STEPS
    for (fees, leverage), (next_fees, next_leverage) in pairwise(figures):
        assert next_fees - fees in (0, 1)
        assert next_leverage - leverage in (0, 1)


def events_of(follower: Follower, key: str) -> list[tuple[Decimal, Decimal]]:
    data = [event["data"] for event in follower.events if event["data"].get("position_id") == key]
    return [(Decimal(each["fees"]), Decimal(each["leverage"])) for each in data]
