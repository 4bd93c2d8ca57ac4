"""The way out of one connection, as the delivery sees it, and that of any ASGI server."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from realtime.frames import Frame

# Our server offers its own way out under this name in `scope["extensions"]`.
OUTLET_EXTENSION = "realtime.outlet"

Send = Callable[[dict[str, Any]], Awaitable[None]]
# Beyond this much unsent, a connection is not writable; Twisted draws its line there, too.
HIGH_WATER_BYTES = 64 * 1024

# https://asgi.readthedocs.io/en/latest/specs/www.html#close-send-event: a server other than ours
# may refuse these codes, so they travel as private ones.
SENDABLE_EVERYWHERE = frozenset({1000})
PRIVATE_CODES_START = 4000
# A client that is told to go, because it reads too slowly, has so long to read that.
CLOSE_SECONDS = 5.0


class Outlet(Protocol):
    """What a delivery needs of a connection; used in the event loop only."""

    @property
    def is_writable(self) -> bool:
        """Whether what is written now leaves soon, as far as the server knows."""
        ...

    def write(self, frames: Sequence[Frame]) -> None:
        """Send messages in order; never waits."""
        ...

    def when_writable(self, callback: Callable[[], None]) -> None:
        """Call `callback` each time that the outlet becomes writable again."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Close with a code and a reason, after what was written."""
        ...


class AsgiOutlet:
    """Sends by `websocket.send`, one message at a time, in a task of its own.

    `patience`, around the whole connection, ends it when a client does not take its close.
    """

    def __init__(self, send: Send, *, patience: asyncio.Timeout | None = None) -> None:
        self._send = send
        self._patience = patience
        self._frames: deque[Frame] = deque()
        self._waiting_bytes = 0
        self._is_full = False
        self._closing: tuple[int, str] | None = None
        self._has_work = asyncio.Event()
        self._callback: Callable[[], None] = lambda: None
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def is_writable(self) -> bool:
        """Whether less than 64 KiB wait for the server's `send`."""
        return self._closing is None and not self._is_full

    def write(self, frames: Sequence[Frame]) -> None:
        """Queue messages for the task."""
        self._frames.extend(frames)
        self._waiting_bytes += sum(frame.size for frame in frames)
        self._is_full = self._waiting_bytes > HIGH_WATER_BYTES
        self._has_work.set()

    def when_writable(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the queue has emptied after it was full."""
        self._callback = callback

    def close(self, code: int, reason: str) -> None:
        """Close when the queue is empty."""
        if self._closing is None:
            self._closing = (code, reason)
            self._has_work.set()
            if self._patience is not None:
                self._patience.reschedule(asyncio.get_running_loop().time() + CLOSE_SECONDS)

    async def stop(self) -> None:
        """End the task: the connection is gone."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._task

    async def finished(self) -> None:
        """Wait until the close was sent."""
        with contextlib.suppress(Exception):
            await asyncio.wait_for(asyncio.shield(self._task), timeout=5)

    async def _run(self) -> None:
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            while self._frames:
                frame = self._frames.popleft()
                await self._send({"type": "websocket.send", "text": frame.text.decode()})
                self._waiting_bytes -= frame.size
            if self._is_full:
                self._is_full = False
                self._callback()
            if self._closing is not None and not self._frames:
                await self._send_close(*self._closing)
                return

    async def _send_close(self, code: int, reason: str) -> None:
        sendable = code if code in SENDABLE_EVERYWHERE else PRIVATE_CODES_START + code - 1000
        await self._send({"type": "websocket.close", "code": sendable, "reason": reason})
