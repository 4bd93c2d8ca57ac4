"""Processes that fork, exit or are asked to end in mid-work: what was committed arrives."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import COMMITTED
from tests.e2e.support.databases import IS_POSTGRESQL, Database
from tests.e2e.support.followers import Follower
from tests.e2e.support.processes import Program, run_python
from tests.e2e.support.published import comparable, read_published
from tests.e2e.support.servers import Server

pytestmark = pytest.mark.faults

BROADCAST = ("manage.py", "broadcast", "--log", "INFO", "from a command")
SIMULATE = ("manage.py", "simulate", "--seed", "7", "--speed", "max")
RUNSERVER = ("manage.py", "runserver", "127.0.0.1:{port}")
BARS = 20
# Where a relay can be ended between two steps: numbers are given by it on PostgreSQL only.
RELAY_FAILPOINTS = ["before_numbering", "after_numbering"] if IS_POSTGRESQL else []
SERVER_FAILPOINT = "after_numbering" if IS_POSTGRESQL else "between_batches"


def committed(server: Server) -> int:
    """The number that the newest event has, or will have."""
    return int(server.database.row(COMMITTED)["seq"])


async def run(server: Server, log: Path, *arguments: str, **changes: str) -> tuple[Program, int]:
    """Run a program to its end."""
    program = Program(server.database.url, *arguments, log=log, **changes)
    return program, await asyncio.to_thread(program.wait)


def messages(follower: Follower) -> list[str]:
    return [event["data"]["message"] for event in follower.events]


@pytest.fixture
async def follower(server: Server) -> AsyncIterator[Follower]:
    """One that begins, and ends, with the test."""
    if server.program.has_ended:
        server.start()
    made = Follower(server)
    await made.connect()
    yield made
    await made.close()


@pytest.mark.parametrize(
    "name",
    [
        "fork_by_multiprocessing",
        "fork_workers",
        "leave_a_thread_behind",
        "exit_after_a_commit",
        "publish_at_exit",
        "vanish_after_a_commit",
    ],
)
async def test_what_a_process_committed_arrives_however_it_ends(
    server: Server, follower: Follower, tmp_path: Path, name: str
) -> None:
    arguments = ("-m", "tests.e2e.support.offspring", name)
    program, status = await run(server, tmp_path / "log", *arguments)
    await follower.follow_to(committed(server))
    assert status == 0, program.output
    assert "Traceback" not in program.output, program.output
    lines = program.output.splitlines()
    said = [line.removeprefix("committed ") for line in lines if line.startswith("committed ")]
    assert said
    received = messages(follower)
    assert set(said) <= set(received)
    # A thread may have been stopped between its commit and its saying so.
    assert len(received) <= len(said) + (name == "leave_a_thread_behind")


def test_layer_is_imported_at_the_start_not_by_a_thread_over_which_a_process_forks(
    blank_database: Database,
) -> None:
    program = "import django, sys; django.setup(); print('channels_redis.pubsub' in sys.modules)"
    found = run_python(blank_database.url, "-c", program)
    assert found.strip() == str(IS_POSTGRESQL and "REDIS_URL" in os.environ)


@pytest.mark.parametrize(
    ("failpoint", "status", "arrives"),
    [
        ("before_commit:0:TERM", -signal.SIGTERM, False),
        ("before_commit:0:KILL", -signal.SIGKILL, False),
        ("after_commit:0:TERM", -signal.SIGTERM, True),
        ("after_commit:0:KILL", -signal.SIGKILL, True),
        *((f"{place}:0:KILL", -signal.SIGKILL, True) for place in RELAY_FAILPOINTS),
    ],
)
async def test_command_that_ends_during_its_write_publishes_what_it_committed(
    server: Server, follower: Follower, tmp_path: Path, failpoint: str, status: int, arrives: bool
) -> None:
    # The command's own relay has to come to its failpoint before the server's numbers.
    server.program.process.send_signal(signal.SIGSTOP)
    try:
        program, ended = await run(server, tmp_path / "log", *BROADCAST, FAILPOINT=failpoint)
    finally:
        server.program.process.send_signal(signal.SIGCONT)
    assert ended == status, program.output
    assert "Traceback" not in program.output, program.output
    server.desk.publish_log("the next")
    await follower.follow_to(committed(server))
    assert messages(follower) == ["from a command"] * arrives + ["the next"]


async def test_trader_that_is_asked_to_end_during_a_write_finishes_it(
    server: Server, follower: Follower, tmp_path: Path
) -> None:
    program, status = await run(
        server, tmp_path / "log", *SIMULATE, FAILPOINT="before_commit:30:TERM"
    )
    await follower.follow_to(committed(server))
    assert status == 0, program.output
    assert "Traceback" not in program.output, program.output
    assert comparable(follower.state.held) == read_published(server.database)


@pytest.mark.parametrize("end", ["TERM", "KILL"])
async def test_server_that_ends_between_reading_and_handing_on_loses_nothing(
    server: Server, follower: Follower, tmp_path: Path, end: str
) -> None:
    await follower.close()
    server.stop()
    # It looks often, so that it comes to that place while the writer writes, Redis or not.
    server.start(FAILPOINT=f"{SERVER_FAILPOINT}:3:{end}", REALTIME_POLL_SECONDS="0.02")
    await follower.connect()
    writing = asyncio.create_task(
        run(server, tmp_path / "log", *SIMULATE, "--bars", str(BARS), REALTIME_RELAY="off")
    )
    restarting = asyncio.create_task(restart_when_ended(server))
    await follower.follow_through(lambda: restarting.done() and writing.done())
    program, status = await writing
    assert status == 0, program.output
    await follower.follow_to(committed(server))
    assert await restarting == (0 if end == "TERM" else -signal.SIGKILL)
    assert comparable(follower.state.held) == read_published(server.database)
    assert follower.starts["resume", "snapshot"] == follower.resyncs == 0
    assert "Traceback" not in server.log, server.log


async def restart_when_ended(server: Server) -> int:
    status = await asyncio.to_thread(server.program.wait)
    await asyncio.to_thread(server.start)
    return status


async def test_clients_resume_when_the_autoreloader_restarts_the_server(
    start_server: StartServer, tmp_path: Path
) -> None:
    watched = tmp_path / "reloaded_settings.py"
    watched.write_text("from project.settings import *\n", encoding="utf-8")
    server = start_server(
        command=RUNSERVER,
        DJANGO_SETTINGS_MODULE=watched.stem,
        PYTHONPATH=str(tmp_path),
    )
    follower = Follower(server)
    await follower.connect()
    server.desk.publish_log("before")
    await follower.follow_to(committed(server))
    os.utime(watched)
    following = asyncio.create_task(follower.follow_through(lambda: follower.resumes > 0))
    while not following.done():
        await asyncio.to_thread(server.desk.publish_log, "meanwhile")
        await asyncio.wait([following], timeout=0.1)
    await following
    server.desk.publish_log("after")
    await follower.follow_to(committed(server))
    await follower.close()
    assert messages(follower)[-1] == "after"
    assert len(follower.snapshots) == 1
    assert "Traceback" not in server.log, server.log
