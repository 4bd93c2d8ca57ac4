"""Clients that stop reading: some come back after a while, some never do."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from tests.e2e.support.clients import Client
from tests.e2e.support.servers import Server
from tests.soak.churn import BROKEN

STALL_SECONDS = (0.5, 2.0)
# How long one that never read is given to find the close that ended it.
FAREWELL_SECONDS = 5.0


class SlowClients:
    """So many at a time; each connects, takes its snapshot, and reads nothing for a while."""

    def __init__(self, servers: Sequence[Server], *, number: int) -> None:
        self.ends: Counter[str] = Counter()
        self._servers = servers
        self._number = number

    async def run(self, seconds: float) -> None:
        """Be slow for so long; then all have gone."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._number):
                is_stuck = number % 2 == 0
                tasks.create_task(self._be_slow(seconds, is_stuck=is_stuck))

    async def _be_slow(self, seconds: float, *, is_stuck: bool) -> None:
        try:
            client = await Client.connect(random.choice(self._servers), buffers_little=True)
            await client.receive_type("snapshot")
            if is_stuck:
                await self._never_read(client, seconds)
            else:
                await self._come_back(client, seconds)
        except BROKEN:
            self.ends["broken off"] += 1

    async def _never_read(self, client: Client, seconds: float) -> None:
        await asyncio.sleep(seconds)
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                _, code, _ = await client.receive_until_closed()
            self.ends[f"closed with {code}"] += 1
        except TimeoutError:
            self.ends["not closed in time"] += 1
        finally:
            await client.abort()

    async def _come_back(self, client: Client, seconds: float) -> None:
        await asyncio.sleep(min(seconds, random.uniform(*STALL_SECONDS)))
        # A heartbeat comes after everything that was owed.
        await client.receive_type("heartbeat")
        self.ends["read on"] += 1
        await client.close()
