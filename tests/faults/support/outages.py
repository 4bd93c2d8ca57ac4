"""A part of the cluster that is frozen or gone for a while, and comes back whatever happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.e2e.support.redis import Redis
from tests.faults.support.postgresql import Postgresql

Part = Postgresql | Redis


@dataclass
class Period:
    """When it began and ended, in seconds since 1970."""

    since: float = field(default_factory=time.time)
    until: float = 0.0

    def end(self) -> None:
        """It ends now."""
        self.until = time.time()

    @property
    def seconds(self) -> float:
        """How long it was."""
        return round(self.until - self.since, 2)


@asynccontextmanager
async def frozen(part: Part) -> AsyncIterator[Period]:
    """Let `part` answer nothing while the body runs."""
    part.freeze()
    period = Period()
    try:
        yield period
    finally:
        period.end()
        part.thaw()


@asynccontextmanager
async def gone(part: Part, end: Callable[[], None]) -> AsyncIterator[Period]:
    """Have `end` end `part`, and start it again after the body."""
    await asyncio.to_thread(end)
    period = Period()
    try:
        yield period
    finally:
        period.end()
        await asyncio.to_thread(part.start)
