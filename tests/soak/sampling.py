"""What a server process holds: asked of the kernel, of PostgreSQL and of the server itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.support.databases import Database
from tests.e2e.support.servers import Server

CONNECTIONS = (
    "SELECT application_name AS name, count(*) AS number FROM pg_stat_activity "
    "WHERE datname = current_database() GROUP BY application_name"
)
ROWS = "SELECT count(*) AS rows FROM realtime_event"


@dataclass(frozen=True)
class Sample:
    """One reading of one server process."""

    resident_bytes: int
    descriptors: int
    threads: int
    database_connections: int
    connections: int


def name_of(server: Server) -> str:
    """What the server's database connections are called, and the server in the report."""
    return f"server-{server.port}"


def take_samples(servers: Sequence[Server], database: Database) -> list[Sample]:
    """One reading of each server; all have to run."""
    numbers = count_connections(database)
    return [_take(server, numbers.get(name_of(server), 0)) for server in servers]


def count_connections(database: Database) -> dict[str, int]:
    """The connections that PostgreSQL has now, by the name of whose they are."""
    return {row["name"]: row["number"] for row in database.rows(CONNECTIONS)}


def count_rows(database: Database) -> int:
    """The rows that the event log has now."""
    return int(database.row(ROWS)["rows"])


def _take(server: Server, database_connections: int) -> Sample:
    connections = server.fetch("/").json["active_connections"]
    process = Path(f"/proc/{server.program.process.pid}")
    return Sample(
        resident_bytes=server.resident_bytes(),
        descriptors=len(os.listdir(process / "fd")),
        threads=len(os.listdir(process / "task")),
        database_connections=database_connections,
        connections=connections,
    )
