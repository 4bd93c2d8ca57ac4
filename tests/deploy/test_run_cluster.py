"""`make run-cluster`: all parts of production on one machine, and nothing of them afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.deploy.support import needs_programs, only_with_services, open_folder
from tests.project.running import DEADLINE_SECONDS, Run, free_port

pytestmark = [pytest.mark.services, only_with_services, needs_programs]

READY = "Ctrl-C stops everything"
PARTS = ("postgres", "redis-server", "nginx", "simulate", "realtime.daphne")
# What the test's own shell has set is none of the cluster's.
FOREIGN = ("DATABASE_URL", "REDIS_URL", "DEBUG", "ALLOWED_HOSTS", "SECRET_KEY")

StartCluster = Callable[[], Run]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Shared, so that the database is made once; each run takes it over from the one before."""
    with open_folder() as made:
        yield made


@pytest.fixture
def start_cluster(folder: Path, tmp_path: Path) -> Iterator[StartCluster]:
    runs: list[Run] = []
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    environ |= {"CLUSTER_FOLDER": str(folder), "PYTHONUNBUFFERED": "1"}

    def start_one() -> Run:
        logs = tmp_path / str(len(runs))
        logs.mkdir()
        runs.append(Run("project.cluster", logs, port, environ))
        return runs[-1]

    yield start_one
    for run in runs:
        if run.process.poll() is None:
            run.process.terminate()
            run.process.wait(DEADLINE_SECONDS)


def processes_of(run: Run, folder: Path) -> set[int]:
    """Its parts, and whatever else names its folder."""
    named = {
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if os.fsencode(folder) in _read(path)
    }
    return {*run.children().values(), *named}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


async def wait_until_ended(pids: set[int]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while any(map(is_running, pids)):
            await asyncio.sleep(0.05)


def open_stream(run: Run) -> Any:
    token = run.wait_for_output(r"Token +(\w+)")[1]
    return connect(
        f"ws://127.0.0.1:{run.port}/ws",
        additional_headers={"Authorization": f"Token {token}"},
        max_size=None,
        proxy=None,
    )


async def receive_type(stream: ClientConnection, *wanted: str) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_SECONDS):
        async for text in stream:
            message: dict[str, Any] = json.loads(text)
            if message["type"] in wanted:
                return message
    raise AssertionError(f"closed before {wanted}: {stream.close_code}")


async def test_cluster_serves_a_client_and_leaves_nothing_behind(
    start_cluster: StartCluster, folder: Path
) -> None:
    run = start_cluster()
    run.wait_for_output(READY)
    with urllib.request.urlopen(f"http://127.0.0.1:{run.port}/health", timeout=10) as answer:
        parts = json.load(answer)["parts"]
    assert parts["channel_layer"]["status"] == "ok"
    children = run.children()
    assert [sum(word in command for command in children) for word in PARTS] == [1, 1, 1, 1, 2]
    pids = processes_of(run, folder)
    async with open_stream(run) as stream:
        await receive_type(stream, "snapshot")
        await receive_type(stream, "position_update", "equity_update")
        run.process.send_signal(signal.SIGINT)
        await receive_type(stream, "server_closing")
        await stream.wait_closed()
        assert stream.close_code == 1012
    assert run.process.wait(DEADLINE_SECONDS) == 0
    assert run.output.endswith("run-cluster: stopped.\n")
    assert "Traceback" not in run.output
    await wait_until_ended(pids)


@pytest.mark.parametrize(("word", "name"), [("postgres", "PostgreSQL"), ("nginx", "nginx")])
async def test_part_that_dies_is_named_and_ends_the_others(
    start_cluster: StartCluster, folder: Path, word: str, name: str
) -> None:
    run = start_cluster()
    run.wait_for_output(READY)
    pids = processes_of(run, folder)
    os.kill(run.child(word), signal.SIGKILL)
    assert run.process.wait(DEADLINE_SECONDS) == 1
    run.wait_for_output(rf"run-cluster: {name} ended \(killed by SIGKILL\)")
    await wait_until_ended(pids)


async def test_run_that_was_killed_is_cleared_away_by_the_next_one(
    start_cluster: StartCluster, folder: Path
) -> None:
    killed = start_cluster()
    killed.wait_for_output(READY)
    pids = processes_of(killed, folder)
    # While it runs, another one does not touch it.
    refused = start_cluster()
    assert refused.process.wait(DEADLINE_SECONDS) == 1
    assert refused.output == (
        f"run-cluster: it runs already, as process {killed.process.pid}; stop that with Ctrl-C.\n"
    )
    killed.process.kill()
    killed.process.wait()
    assert all(map(is_running, pids))
    run = start_cluster()
    run.wait_for_output(READY)
    await wait_until_ended(pids)
    async with open_stream(run) as stream:
        await receive_type(stream, "position_update", "equity_update")
