"""The whole round of the page on operations: back up, go on, restore, and every client is told."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import COMMITTED
from tests.e2e.support.databases import IS_POSTGRESQL, Database, PostgresqlDatabase
from tests.e2e.support.desk import Desk
from tests.e2e.support.followers import Follower
from tests.e2e.support.processes import DEADLINE_SECONDS, ROOT, make_environment
from tests.e2e.support.published import comparable, read_published

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
# As the page calls them.
FILE, RESTORED = "db.sqlite3", "desk_restored"


def commands(heading: str) -> str:
    """What the page has below a heading: for PostgreSQL first, then for SQLite."""
    section = re.split(r"^#+ ", PAGE.partition(f"### {heading}\n")[2], flags=re.MULTILINE)[0]
    postgresql, sqlite = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return postgresql if IS_POSTGRESQL else sqlite


def run(commands: str, database: Database, folder: Path) -> None:
    """Run commands as they stand, in a folder like the project's and for this database."""
    for name, target in ((".venv", Path(sys.prefix)), ("manage.py", ROOT / "manage.py")):
        if not (folder / name).exists():
            (folder / name).symlink_to(target)
    path = database.url.removeprefix("sqlite:///")
    subprocess.run(
        ["sh", "-ec", commands.replace(FILE, path).replace(RESTORED, restored_name(database))],
        cwd=folder,
        env=make_environment(database.url),
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=DEADLINE_SECONDS,
    )


def restored_name(database: Database) -> str:
    return database.url.rpartition("/")[2] + "_restored"


@contextmanager
def restored(database: Database) -> Iterator[Database]:
    """What the page restores into: with PostgreSQL a new database, else the same file."""
    if not IS_POSTGRESQL:
        yield database
        return
    made = PostgresqlDatabase(restored_name(database))
    yield made
    made.drop()


def committed(database: Database) -> int:
    return int(database.row(COMMITTED)["seq"])


def holds_what_the_database_has(client: Follower, database: Database) -> bool:
    return comparable(client.state.held) == read_published(database)


async def test_restored_backup_reaches_clients_that_have_seen_more(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    client = Follower(server)
    await client.connect()
    kept = server.desk.call("open_position")
    await client.follow_to(committed(server.database))
    run(commands("Back up"), server.database, tmp_path)

    lost = server.desk.call("open_position")
    server.desk.call("close_position", key=kept)
    await client.follow_to(committed(server.database))
    assert client.state.held["position_update"].keys() == {lost}
    server.dispose()

    run(commands("Restore"), server.database, tmp_path)
    with restored(server.database) as database:
        server.database = database
        server.start()
        # Away since before: it knows events that the backup does not hold.
        established = await client.connect()
        assert (established["resume"], established["resume_reason"]) == (
            "snapshot",
            "unknown_stream",
        )
        await client.receive()
        assert client.state.held["position_update"].keys() == {kept}
        assert holds_what_the_database_has(client, database)

        with closing(Desk(database.url, tmp_path / "desk.log")) as desk:
            desk.call("save", key=kept)
        await client.follow_to(committed(database))
        assert holds_what_the_database_has(client, database)
        await client.close()
        server.stop()
