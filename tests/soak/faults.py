"""What is done to the cluster while it is used, at random moments."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tests.e2e.support.servers import Server
from tests.faults.support.cluster import Cluster
from tests.soak.sampling import name_of

AWAY_SECONDS = (0.5, 1.5)

Fault = Callable[[], Awaitable[Any]]


class Faults:
    """One at a time; each is over when its call returns."""

    def __init__(self, cluster: Cluster) -> None:
        self.injected: Counter[str] = Counter()
        self._cluster = cluster

    async def restart(self, server: Server, **environment: str) -> None:
        """Let a server drain and end, and start it anew."""
        self.injected["server restarted"] += 1
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start, PGAPPNAME=name_of(server), **environment)

    async def inject(self) -> None:
        """Any one of those that no process has to be restarted for."""
        name, fault = random.choice(self._harmless())
        self.injected[name] += 1
        await fault()

    def _harmless(self) -> Sequence[tuple[str, Fault]]:
        return (
            ("Redis killed and restarted", self._kill_redis),
            ("Redis frozen", self._freeze_redis),
            ("PostgreSQL frozen", self._freeze_postgresql),
            ("PostgreSQL's connections ended", self._end_connections),
        )

    async def _kill_redis(self) -> None:
        self._cluster.redis.kill()
        await asyncio.sleep(random.uniform(*AWAY_SECONDS))
        await asyncio.to_thread(self._cluster.redis.start)

    async def _freeze_redis(self) -> None:
        self._cluster.redis.freeze()
        await asyncio.sleep(random.uniform(*AWAY_SECONDS))
        self._cluster.redis.thaw()

    async def _freeze_postgresql(self) -> None:
        self._cluster.postgresql.freeze()
        await asyncio.sleep(random.uniform(*AWAY_SECONDS))
        self._cluster.postgresql.thaw()

    async def _end_connections(self) -> None:
        await asyncio.to_thread(self._cluster.postgresql.terminate_connections)
