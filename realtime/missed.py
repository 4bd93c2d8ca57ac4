"""What a returning client missed: from memory, and from the log what is older."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from realtime import log
from realtime.conf import conf
from realtime.log import HistoryExpired, LoggedEvent
from realtime.messages import ResumeReason
from realtime.recent import EncodedEvent, RecentEvents
from realtime.relaying import Relay
from realtime.resuming import Missed, Resume
from realtime.subscriptions import Subscription

CATCH_UP_SECONDS = 5.0
PAGE_EVENTS = 1000


class MissedEvents:
    """Finds the events after a resume's `since`; the relay's thread reads the log for it."""

    def __init__(
        self, *, relay: Relay, recent: RecentEvents, position: Callable[[], tuple[str, int]]
    ) -> None:
        self._relay = relay
        self._recent = recent
        self._position = position
        self._moved = asyncio.Event()

    def announce_move(self) -> None:
        """The cursor has moved: those who wait for it look again."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def find(self, resume: Resume, subscription: Subscription) -> Missed:
        """The older part of what was missed, up to what memory holds, or why it cannot be had."""
        if resume.stream != self._identity:
            return Missed(reason=ResumeReason.UNKNOWN_STREAM)
        if resume.subscription != subscription.digest():
            return Missed(reason=ResumeReason.SUBSCRIPTION_CHANGED)
        if resume.since > self._cursor and not await self._catch_up(resume.since):
            return Missed(reason=ResumeReason.AHEAD_OF_STREAM)
        if self._cursor - resume.since > conf().replay_events:
            return Missed(reason=ResumeReason.HISTORY_EXPIRED)
        try:
            return Missed(await self._read_older(resume.since))
        except HistoryExpired:
            return Missed(reason=ResumeReason.HISTORY_EXPIRED)

    @property
    def _identity(self) -> str:
        return self._position()[0]

    @property
    def _cursor(self) -> int:
        return self._position()[1]

    async def _catch_up(self, since: int) -> bool:
        """Wait until this process has come to `since`, which another one has sent already."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CATCH_UP_SECONDS
        head = (await asyncio.wrap_future(self._relay.call(log.position))).head
        while self._cursor < since <= head:
            try:
                # Not `wait_for`: Python 3.11's may swallow a cancellation.
                async with asyncio.timeout_at(deadline):
                    await self._moved.wait()
            except TimeoutError:
                break
        return since <= self._cursor

    async def _read_older(self, since: int) -> list[EncodedEvent]:
        found: list[EncodedEvent] = []
        while True:
            after = since + len(found)
            oldest = self._recent.oldest
            if after + 1 >= (self._cursor + 1 if oldest is None else oldest):
                return found
            page = await self._read_page(after)
            if not page:
                raise HistoryExpired(f"the log ends before {after + 1}")
            found.extend(EncodedEvent(event) for event in page if event.seq <= self._cursor)

    async def _read_page(self, after: int) -> list[LoggedEvent]:
        return await asyncio.wrap_future(self._relay.call(lambda: log.read(after, PAGE_EVENTS)))
