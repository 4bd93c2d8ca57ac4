"""A relay that holds the stream's lock and goes no further: the others go on without it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import COMMITTED
from tests.e2e.support.databases import IS_POSTGRESQL, Database
from tests.e2e.support.desk import Desk
from tests.e2e.support.followers import Follower
from tests.e2e.support.processes import DEADLINE_SECONDS, Program
from tests.e2e.support.servers import LOOK_EVERY_SECONDS, Server

pytestmark = [
    pytest.mark.services,
    pytest.mark.faults,
    pytest.mark.skipif(
        not IS_POSTGRESQL,
        reason="needs PostgreSQL, where relays give the numbers: set DATABASE_URL",
    ),
]

LOGS = 20
WRITERS = 3
# A writer that waited for the lock would wait for as long as PostgreSQL lets the relay hold it: 5.
PROMPT_SECONDS = 2.0
LOCK = "SELECT 1 FROM realtime_stream FOR UPDATE"
LOG_OF_EACH = "SELECT id, seq FROM realtime_event ORDER BY seq"


def committed(database: Database) -> int:
    """The number that the newest event has, or will have."""
    return int(database.row(COMMITTED)["seq"])


async def freezes(server: Server) -> None:
    """Wait until the server's process is stopped."""
    status = Path(f"/proc/{server.program.process.pid}/stat")
    async with asyncio.timeout(DEADLINE_SECONDS):
        while status.read_text(encoding="ascii").rpartition(")")[2].split()[0] != "T":
            await asyncio.sleep(LOOK_EVERY_SECONDS)


def assert_numbered_once(database: Database) -> None:
    """Every event has a number of its own, from 1 to the head."""
    numbers = [row["seq"] for row in database.rows(LOG_OF_EACH)]
    assert numbers == list(range(1, committed(database) + 1))


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Server:
    return start_server()


@pytest.fixture(scope="module")
def quiet_desk(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A writer without a relay: the servers give its events their numbers."""
    log = tmp_path_factory.mktemp("desk") / "desk.log"
    made = Desk(server.database.url, log, REALTIME_RELAY="off")
    yield made
    made.close()


async def test_others_go_on_when_a_relay_freezes_while_it_numbers(
    start_server: StartServer, server: Server, quiet_desk: Desk
) -> None:
    frozen = start_server(beside=server, FAILPOINT="while_numbering:0:STOP")
    follower, stuck = Follower(server), Follower(frozen)
    await follower.connect()
    await stuck.connect()
    # The other one must not give the numbers first.
    server.program.process.send_signal(signal.SIGSTOP)
    try:
        quiet_desk.publish_log("the bait")
        await freezes(frozen)
    finally:
        server.program.process.send_signal(signal.SIGCONT)
    try:
        began = time.monotonic()
        for number in range(LOGS):
            quiet_desk.publish_log(str(number))
        assert time.monotonic() - began < PROMPT_SECONDS
        # PostgreSQL ends the session of the frozen relay, and with it the lock.
        await follower.follow_to(committed(server.database))
    finally:
        frozen.program.process.send_signal(signal.SIGCONT)
    # Its numbers were rolled back; it takes those that the others gave.
    quiet_desk.publish_log("after all")
    for each in (follower, stuck):
        await each.follow_to(committed(server.database))
        await each.close()
    bait, *others = [event["data"]["message"] for event in follower.events]
    assert (bait, others) == ("the bait", [*map(str, range(LOGS)), "after all"])
    assert [event["event"] for event in stuck.events] == [e["event"] for e in follower.events]
    assert stuck.resyncs == follower.resyncs == 0
    assert_numbered_once(server.database)
    assert frozen.fetch("/health").status == server.fetch("/health").status == 200
    # Else it would number for the tests that come.
    frozen.stop()


async def test_relay_that_dies_while_it_numbers_leaves_no_trace(
    start_server: StartServer, server: Server, quiet_desk: Desk
) -> None:
    dying = start_server(beside=server, FAILPOINT="while_numbering:0:KILL")
    doomed = Follower(dying)
    await doomed.connect()
    follower = Follower(server)
    await follower.connect()
    server.program.process.send_signal(signal.SIGSTOP)
    try:
        quiet_desk.publish_log("the bait")
        assert await asyncio.to_thread(dying.program.wait) == -signal.SIGKILL
    finally:
        server.program.process.send_signal(signal.SIGCONT)
    await follower.follow_to(committed(server.database))
    doomed.move_to(server)
    await doomed.follow_to(committed(server.database))
    for each in (follower, doomed):
        await each.close()
    assert doomed.resumes == 1
    assert_numbered_once(server.database)


async def test_clients_are_served_while_somebody_else_holds_the_lock(
    server: Server, quiet_desk: Desk
) -> None:
    follower = Follower(server)
    await follower.connect()
    with psycopg.connect(server.database.url) as holder:
        holder.execute(LOCK)
        quiet_desk.publish_log("waits for its number")
        beats = 0
        while beats < 2:
            message = await follower.receive()
            assert message["type"] in ("heartbeat", "snapshot")
            beats += message["type"] == "heartbeat"
        late = Follower(server)
        await late.connect()
        holder.rollback()
    for each in (follower, late):
        await each.follow_to(committed(server.database))
        await each.close()
    assert follower.events[-1]["data"]["message"] == "waits for its number"


async def test_relays_of_many_processes_number_each_event_once(
    server: Server, tmp_path: Path
) -> None:
    follower = Follower(server)
    since = (await follower.connect())["seq"]
    writers = [
        Program(
            server.database.url,
            *("-m", "tests.e2e.support.offspring", "publish_many"),
            log=tmp_path / f"writer{number}",
        )
        for number in range(WRITERS)
    ]
    ends = asyncio.gather(*(asyncio.to_thread(writer.wait) for writer in writers))
    await follower.follow_through(ends.done)
    assert await ends == [0] * WRITERS, [writer.output for writer in writers]
    await follower.follow_to(committed(server.database))
    await follower.close()
    said = sum(writer.output.count("committed ") for writer in writers)
    assert committed(server.database) - since == said == len(follower.events)
    assert_numbered_once(server.database)
