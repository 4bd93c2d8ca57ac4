"""SQLite on a full disk, under load: what was committed stays and arrives, the rest is refused."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.support.databases import SqliteDatabase
from tests.e2e.support.processes import run_manage, run_python
from tests.e2e.support.servers import Answer, Server
from tests.faults.support import disks
from tests.faults.support.cluster import Load, Site
from tests.faults.support.crowd import LONGEST_SECONDS
from tests.faults.support.disks import Disk
from tests.faults.support.proof import Proof

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.usefixtures("nth_round"),
    pytest.mark.skipif(not disks.IS_AVAILABLE, reason="needs root, to mount a small disk"),
]

FULL_SECONDS = (1.0, 3.0)
BEATS_MEANWHILE = 3
LOOK_EVERY_SECONDS = 0.1
REFUSED = "refused: database or disk is full"
EQUITY = "123456.78"
READINGS = f"SELECT id FROM trading_equitysnapshot WHERE total_equity = {EQUITY}"
THEIR_EVENTS = f"SELECT id FROM realtime_event WHERE data LIKE '%\"{EQUITY}\"%'"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.dispose()


@pytest.fixture
def site(disk: Disk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server, as it is by default; nothing but its database is on the small disk."""
    database = SqliteDatabase(disk.folder / "db.sqlite3")
    run_manage(database.url, "migrate", "--verbosity", "0")
    tokens = json.loads(run_python(database.url, "-m", "tests.e2e.support.seeding"))
    folder = tmp_path_factory.mktemp("site")
    made = Site(database, tokens, folder, servers=1, REDIS_URL="")
    made.start()
    yield made
    made.dispose()


async def writers_are_refused(load: Load) -> None:
    async with asyncio.timeout(LONGEST_SECONDS):
        while not all(REFUSED in writer.output for writer in load.writers):
            await asyncio.sleep(LOOK_EVERY_SECONDS)


def check_and_write(server: Server) -> Answer:
    """That it reads, and says what is wrong; the answer to a write over REST."""
    assert server.fetch("/api/positions/", user="operator").status == 200
    health = server.fetch("/health")
    assert health.status == 503
    assert "The disk is full" in health.json["parts"]["database"]["message"]
    assert server.fetch("/livez").status == 200
    headers = {"Content-Type": "application/json"}
    body = json.dumps({"total_equity": EQUITY})
    return server.fetch("/api/equity/", method="POST", headers=headers, body=body, user="admin")


async def test_full_disk_refuses_writes_and_loses_none(
    site: Site, disk: Disk, proof: Proof
) -> None:
    (server,) = site.servers
    seconds = random.uniform(*FULL_SECONDS)
    async with site.under_load() as load:
        disk.fill()
        await writers_are_refused(load)
        await load.has_beaten(BEATS_MEANWHILE)
        answer = await asyncio.to_thread(check_and_write, server)
        await asyncio.sleep(seconds)
        disk.make_room()
    # The last page of the write-ahead log may have had room for it.
    is_taken = answer.status == 201
    assert is_taken or answer.status >= 500, answer.body
    assert [len(site.database.rows(each)) for each in (READINGS, THEIR_EVENTS)] == [is_taken] * 2
    assert site.database.row("PRAGMA integrity_check") == {"integrity_check": "ok"}
    assert server.fetch("/health").status == 200
    assert load.figures.connections_lost == 0
    refused = sum(writer.output.count(REFUSED) for writer in load.writers)
    proof.note(
        "SQLite's disk full",
        injected={"seconds_after_the_first_refusal": round(seconds, 2)},
        counted=load.figures.as_dict() | {"writes_refused": refused},
    )
