"""Reads the log while it is written: what is pruned later is still there to be compared."""

from __future__ import annotations

import asyncio
import contextlib

import psycopg

from tests.e2e.support.clients import Message
from tests.e2e.support.databases import Database
from tests.faults.support.verdict import read_event

READ_EVERY_SECONDS = 0.3
# The floor by the same statement: events and floor are of one moment.
EVENTS = (
    "SELECT seq, id, feed, key, action, data, (SELECT floor FROM realtime_stream) AS floor "
    "FROM realtime_event WHERE seq > {after} ORDER BY seq"
)


class LogReader:
    """Every event from number 1 on."""

    def __init__(self, database: Database) -> None:
        self.events: dict[int, Message] = {}
        self._database = database

    async def run(self) -> None:
        """Read on until cancelled, whatever becomes of the database meanwhile."""
        while True:
            # A fault may have the database.
            with contextlib.suppress(psycopg.OperationalError):
                await asyncio.to_thread(self.read)
            await asyncio.sleep(READ_EVERY_SECONDS)

    async def has_reached(self, seq: int) -> None:
        """Wait until everything up to `seq` is here, which another task reads."""
        while len(self.events) < seq:
            await asyncio.sleep(READ_EVERY_SECONDS)

    def read(self) -> None:
        """Take what is new; a number that is missing is a failure."""
        for row in self._database.rows(EVENTS.format(after=len(self.events))):
            expected = len(self.events) + 1
            assert row["floor"] <= expected or row["seq"] == expected, "pruned before it was read"
            assert row["seq"] == expected, f"promise 2: a hole before {row['seq']}"
            self.events[expected] = read_event(row)
