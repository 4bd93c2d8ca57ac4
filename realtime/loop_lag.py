"""How late the event loop comes to what is due: whatever holds it up delays every client."""

from __future__ import annotations

import asyncio
import time
from collections import deque

SAMPLE_SECONDS = 0.25
# The last minute: longer than anybody's scrape interval.
SAMPLES = 240


class LoopLag:
    """Sleeps for a moment, over and over, and notes by how much each sleep was too long."""

    def __init__(self) -> None:
        self._due = time.monotonic() + SAMPLE_SECONDS
        self._late: deque[float] = deque([0.0], maxlen=SAMPLES)
        self._task: asyncio.Task[None] | None = None

    @property
    def seconds(self) -> float:
        """The longest delay of the last minute, the present one included; in any thread."""
        return max(0.0, time.monotonic() - self._due, *tuple(self._late))

    def start(self) -> None:
        """Begin to measure."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Measure no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _run(self) -> None:
        while True:
            self._due = time.monotonic() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
            self._late.append(max(0.0, time.monotonic() - self._due))
