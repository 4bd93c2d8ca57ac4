"""The beat of every connection, spread evenly over the interval."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from realtime.conf import conf
from realtime.members import Member

SLOTS = 10


class Heartbeats:
    """Calls `beat` for each member once in every `REALTIME_HEARTBEAT_SECONDS`."""

    def __init__(self, beat: Callable[[Collection[Member]], None]) -> None:
        self._beat = beat
        self._slots: list[set[Member]] = [set() for _ in range(SLOTS)]
        self._next_slot = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to beat."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Beat no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def add(self, member: Member) -> None:
        """Serve `member` from now on."""
        member.slot = self._next_slot
        self._slots[member.slot].add(member)
        self._next_slot = (self._next_slot + 1) % SLOTS

    def discard(self, member: Member) -> None:
        """Serve `member` no more."""
        self._slots[member.slot].discard(member)

    async def _run(self) -> None:
        while True:
            for slot in self._slots:
                await asyncio.sleep(conf().heartbeat_seconds / SLOTS)
                self._beat(tuple(slot))
