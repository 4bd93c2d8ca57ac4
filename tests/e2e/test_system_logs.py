"""What the application logs reaches clients through the real server, whatever happens to it."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import Client
from tests.e2e.support.databases import (
    IS_POSTGRESQL,
    Database,
    PostgresqlDatabase,
    SqliteDatabase,
)
from tests.e2e.support.log_offspring import CHILDREN
from tests.e2e.support.processes import run_python
from tests.e2e.support.servers import Server

NOISY = {
    "DJANGO_SETTINGS_MODULE": "tests.e2e.support.noisy_settings",
    "REALTIME_LOG_HANDLER": "on",
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "ERROR",
}
REPORTER = "realtime.loghandler"
QUEUE_LINES = 20
# Generous: what is promised is that nothing waits for the storm, not the speed of this machine.
ON_TIME_SECONDS = 2.0
AT_ONCE_SECONDS = 5.0
STORM = {"rate": 10_000, "seconds": 2}
PATIENCE_SECONDS = 30.0
LINES = "SELECT data FROM realtime_event WHERE feed = 'system_log' ORDER BY id"


@pytest.fixture(scope="module")
def noisy(start_server: StartServer) -> Server:
    return start_server(**NOISY)


def published(database: Database) -> list[dict[str, Any]]:
    return [json.loads(row["data"]) for row in database.rows(LINES)]


async def receive_lines(
    client: Client, until: Callable[[Mapping[str, Any]], bool]
) -> list[dict[str, Any]]:
    """The lines that come, up to the one that is waited for."""
    lines = []
    while not lines or not until(lines[-1]):
        lines.append((await client.receive_type("system_log"))["data"])
    return lines


def is_error_of_django(line: Mapping[str, Any]) -> bool:
    return bool(line["module"] == "django.request")


async def test_error_in_a_transaction_that_fails_reaches_clients(noisy: Server) -> None:
    before = noisy.database.rows("SELECT position_id FROM trading_position")
    async with await Client.connect(noisy, {"snapshot": 0}) as client:
        await client.receive()
        answer = await asyncio.to_thread(noisy.fetch, "/noise/fail/?token=feedfacefeedface")
        assert answer.status == 500
        lines = await receive_lines(client, is_error_of_django)
    # The server's own lines at its start come through the same feed.
    failed, reported = (line for line in lines if not line["module"].startswith("daphne"))
    assert (failed["level"], failed["module"]) == ("ERROR", "desk.orders")
    assert failed["message"].startswith("The order for ")
    assert failed["extra"] == {"symbol": "BTC/USDT", "api_key": "***"}
    assert reported["message"] == "Internal Server Error: /noise/fail/"
    assert reported["extra"]["status_code"] == 500
    assert "OrderFailed" in reported["exception"]
    assert "feedface" not in json.dumps(reported)
    assert noisy.database.rows("SELECT position_id FROM trading_position") == before
    # The console has the same, as JSON.
    shown = [json.loads(line) for line in noisy.log.splitlines() if line.startswith("{")]
    assert failed in shown
    assert "feedface" not in noisy.log


async def test_reading_makes_no_line_and_debug_never_leaves(noisy: Server) -> None:
    async with await Client.connect(noisy, {"snapshot": 0, "feeds": "system_log"}) as client:
        await client.receive()
        for path in ("/api/events/?since=0", "/no-such-page", "/api/events/?since=x", "/livez"):
            noisy.fetch(path, user="operator")
        noisy.fetch("/api/events/")
        noisy.fetch("/noise/lines/?text=never&level=DEBUG")
        noisy.fetch("/noise/lines/?text=the+next&level=INFO")
        lines = await receive_lines(client, lambda line: line["message"] == "the next 0")
    assert [line["message"] for line in lines] == ["the next 0"]
    # The console is quieter than the feed.
    assert "the next 0" not in noisy.log


async def test_ten_thousand_lines_a_second_leave_position_updates_on_time(noisy: Server) -> None:
    query = "&".join(f"{name}={value}" for name, value in STORM.items())
    committed: dict[str, float] = {}
    async with await Client.connect(noisy, {"snapshot": 0, "max_rate": 100}) as client:
        await client.receive()
        storming = asyncio.create_task(asyncio.to_thread(noisy.fetch, f"/noise/storm/?{query}"))
        receiving = asyncio.create_task(receive_through_the_storm(client, committed))
        while not storming.done():
            key = await asyncio.to_thread(noisy.desk.call, "open_position")
            committed[key] = time.monotonic()
            await asyncio.sleep(0.05)
        storm = (await storming).json
        arrived, lines = await receiving
    # However slow the machine is: far more than what is let through.
    assert storm["logged"] / storm["seconds"] > STORM["rate"] / 20, "it was no storm"
    assert committed
    late = {key: arrived[key] - at for key, at in committed.items()}
    assert max(late.values()) < ON_TIME_SECONDS, late
    taken = sum(line["message"].startswith("storm ") for line in lines)
    told = sum(line["extra"]["dropped"] for line in lines if line["module"] == REPORTER)
    assert taken + told == storm["logged"]
    assert taken < storm["logged"] / 10


async def receive_through_the_storm(
    client: Client, committed: Mapping[str, float]
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """When each position came, and all lines up to the report that follows the storm."""
    arrived: dict[str, float] = {}
    lines: list[dict[str, Any]] = []
    seq, is_over = 0, False
    while not is_over or not committed.keys() <= arrived.keys():
        message = await client.receive()
        assert message["seq"] >= seq
        seq = message["seq"]
        if message["type"] == "position_update":
            arrived[message["data"]["position_id"]] = time.monotonic()
        elif message["type"] == "system_log":
            lines.append(message["data"])
            is_over = is_over or message["data"]["module"] == REPORTER
    return arrived, lines


class Removable:
    """A database that can be away and come back."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self._folder = folder

    def take_away(self) -> None:
        """As when its volume is gone, or its server refuses everybody."""
        if isinstance(self.database, PostgresqlDatabase):
            self._allow(False)
        else:
            self._folder.rename(self._folder.with_name("away"))

    def bring_back(self) -> None:
        if isinstance(self.database, PostgresqlDatabase):
            self._allow(True)
        else:
            self._folder.with_name("away").rename(self._folder)

    def remove(self) -> None:
        """For good."""
        if isinstance(self.database, PostgresqlDatabase):
            self.database.drop()
        else:
            shutil.rmtree(self._folder)

    def _allow(self, is_allowed: bool) -> None:
        name = self.database.url.rpartition("/")[2]
        other = PostgresqlDatabase("postgres")
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {is_allowed}')
        if not is_allowed:
            other.rows(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )


@pytest.fixture
def removable(blank_database: Database, tmp_path: Path) -> Iterator[Removable]:
    folder = tmp_path / "volume"
    if IS_POSTGRESQL:
        database = blank_database.copy("removable")
        yield Removable(database, folder)
        database.drop()
        return
    folder.mkdir()
    source = Path(blank_database.url.removeprefix("sqlite:///"))
    shutil.copyfile(source, folder / "desk.sqlite3")
    yield Removable(SqliteDatabase(folder / "desk.sqlite3"), folder)


@pytest.fixture
def server_on_it(
    removable: Removable, tokens: Mapping[str, str], tmp_path: Path
) -> Iterator[Server]:
    server = Server(
        removable.database,
        tokens,
        tmp_path,
        **NOISY,
        REALTIME_LOG_QUEUE_LINES=str(QUEUE_LINES),
    )
    server.start()
    yield server
    server.dispose()


async def test_application_goes_on_without_its_database_and_tells_of_the_lines_lost(
    removable: Removable, server_on_it: Server
) -> None:
    server = server_on_it
    async with await Client.connect(server, {"snapshot": 0, "feeds": "system_log"}) as client:
        await client.receive()
        removable.take_away()
        for _ in range(3):
            answer = server.fetch(f"/noise/lines/?text=away&count={QUEUE_LINES}")
            assert answer.status == 200
            assert answer.json["seconds"] < AT_ONCE_SECONDS
        assert server.fetch("/livez").status == 200
        removable.bring_back()
        lines = await receive_lines(client, lambda line: line["module"] == REPORTER)
        *kept, report = (line for line in lines if line["module"] in {"desk.orders", REPORTER})
        assert {line["message"].split()[0] for line in kept} == {"away"}
        # The server's own lines take places, too.
        assert len(kept) >= QUEUE_LINES / 2
        assert report["extra"]["dropped"] >= 3 * QUEUE_LINES - len(kept) > 0
        server.fetch("/noise/lines/?text=back")
        await receive_lines(client, lambda line: line["message"] == "back 0")
    removable.remove()
    assert server.fetch(f"/noise/lines/?text=gone&count={QUEUE_LINES}").status == 200
    assert server.fetch("/livez").status == 200
    assert server.program.terminate(PATIENCE_SECONDS) == 0, server.log


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        ("exit_after_a_line", ["last words"]),
        ("fail_in_a_transaction", ["it fails"]),
        (
            "fork_children",
            sorted(
                f"{who} {number}"
                for who in ("child", "parent before", "parent meanwhile")
                for number in range(CHILDREN)
            ),
        ),
    ],
)
def test_what_a_process_logs_arrives_once_when_it_ends(
    noisy: Server, name: str, messages: list[str]
) -> None:
    run_python(
        noisy.database.url, "-m", "tests.e2e.support.log_offspring", name, REALTIME_LOG_HANDLER="on"
    )
    lines = [line for line in published(noisy.database) if line["module"] == "desk.worker"]
    assert sorted(line["message"] for line in lines if line["message"] in messages) == messages


def test_exit_waits_neither_for_a_thread_nor_for_a_database(tmp_path: Path) -> None:
    """The database has no tables: a new installation, before `migrate`."""
    url = f"sqlite:///{tmp_path}/new.sqlite3"
    for name in ("log_at_exit", "exit_after_a_line"):
        started = time.monotonic()
        run_python(
            url,
            "-W",
            "error",
            "-m",
            "tests.e2e.support.log_offspring",
            name,
            REALTIME_LOG_HANDLER="on",
        )
        assert time.monotonic() - started < PATIENCE_SECONDS
