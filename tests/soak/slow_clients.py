"""Clients that stop reading: some come back after a while, some never do."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from tests.e2e.support.clients import Client
from tests.e2e.support.servers import Server
from tests.soak.churn import BROKEN

# Below REALTIME_TOO_SLOW_SECONDS.
STALL_SECONDS = (0.2, 0.8)
# Above it, and a heartbeat.
STUCK_SECONDS = 6.0
# How long one that never read is given to find the close that ended it.
FAREWELL_SECONDS = 5.0


class SlowClients:
    """So many at a time; each connects and reads nothing for a while."""

    def __init__(self, servers: Sequence[Server], *, number: int) -> None:
        self.ends: Counter[str] = Counter()
        self._servers = servers
        self._number = number
        self._coming = 0
        self._are_here = asyncio.Event()

    async def run(self, seconds: float) -> None:
        """Be slow for so long; then all have gone."""
        self._coming = self._number
        self._are_here.clear()
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._number):
                is_stuck = number % 2 == 0
                tasks.create_task(self._be_slow(seconds, is_stuck=is_stuck))

    async def have_stopped_reading(self) -> None:
        """Wait until all are connected: what is sent now finds none of them reading."""
        await self._are_here.wait()

    async def _be_slow(self, seconds: float, *, is_stuck: bool) -> None:
        try:
            client = await self._connect()
            try:
                await (self._never_read(client, seconds) if is_stuck else self._come_back(client))
            finally:
                await client.abort()
        except BROKEN:
            self.ends["broken off"] += 1

    async def _connect(self) -> Client:
        try:
            # A large snapshot would let the server's socket buffer grow.
            client = await Client.connect(
                random.choice(self._servers), {"snapshot": 0}, buffers_little=True
            )
        finally:
            self._coming -= 1
            if not self._coming:
                self._are_here.set()
        return client

    async def _never_read(self, client: Client, seconds: float) -> None:
        await self.have_stopped_reading()
        await asyncio.sleep(max(seconds, STUCK_SECONDS))
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                _, code, _ = await client.receive_until_closed()
            self.ends[f"closed with {code}"] += 1
        except TimeoutError:
            self.ends["not closed in time"] += 1

    async def _come_back(self, client: Client) -> None:
        await self.have_stopped_reading()
        await asyncio.sleep(random.uniform(*STALL_SECONDS))
        # A heartbeat comes after everything that was owed.
        await client.receive_type("heartbeat")
        self.ends["read on"] += 1
