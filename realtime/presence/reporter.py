"""A hub's part in telling who is connected: it answers, and ends connections."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any

from django.db import Error as DatabaseError

from realtime import messages
from realtime.auth.credentials import in_thread
from realtime.members import Member
from realtime.presence.process_rows import ProcessRow, Wanted, mark_disconnected
from realtime.timestamps import isoformat, timestamp

logger = logging.getLogger(__name__)

Ask = Callable[[Callable[[], Wanted]], Awaitable[Wanted]]

LOOK_EVERY_SECONDS = 1.0
# A server that stops does not wait for a database that is silent.
LEAVE_SECONDS = 1.0
NO_REASON = "An operator ended this connection."


class Reporter:
    """Answers for the connections that `members` returns, in the hub's event loop."""

    def __init__(self, members: Callable[[], Collection[Member]], ask: Ask) -> None:
        """`ask` looks into the database by a connection that is kept: it does so every second."""
        self._members = members
        self._ask = ask
        self._row = ProcessRow()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Look no more, and take the row away."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        self._task = None
        # Without it the others see that it is gone when it shows itself no more.
        with contextlib.suppress(DatabaseError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await in_thread(self._row.leave)

    def look_now(self) -> None:
        """Something is asked."""
        self._woken.set()

    async def _run(self) -> None:
        while True:
            try:
                await self._do(await self._ask(self._row.look))
            except DatabaseError:
                # The relay reports a database that is away; here nothing is lost by waiting.
                pass
            except Exception:
                logger.exception("Who is connected cannot be told, trying again")
            try:
                async with asyncio.timeout(LOOK_EVERY_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    async def _do(self, wanted: Wanted) -> None:
        if wanted.disconnections:
            await self._disconnect(dict(wanted.disconnections))
        if wanted.question is not None:
            described = [describe(member) for member in self._members()]
            await in_thread(partial(self._row.answer, wanted.question, described))

    async def _disconnect(self, reasons: dict[str, str]) -> None:
        ours = [member for member in self._members() if member.connection_id in reasons]
        for member in ours:
            reason = reasons[member.connection_id]
            text = f"An operator ended this connection: {reason}" if reason else NO_REASON
            last = messages.error(timestamp=timestamp(), code="disconnected", text=text, fatal=True)
            member.close(1013, "disconnected", last=last)
        if ours:
            ids = [member.connection_id for member in ours]
            await in_thread(partial(mark_disconnected, ids))


def describe(member: Member) -> dict[str, Any]:
    """One connection, for people who look after the server."""
    subscription, delivery = member.subscription, member.delivery
    return {
        "connection_id": member.connection_id,
        "user": member.origin.user,
        "address": member.origin.address,
        "connected_at": isoformat(member.origin.connected_at),
        "feeds": [feed.name for feed in subscription.feeds],
        "filters": subscription.filters(),
        "max_rate": subscription.max_rate,
        "waiting_bytes": delivery.waiting_bytes,
        "blocked_seconds": round(delivery.blocked_seconds(), 1),
        "resyncs": delivery.resyncs,
    }
