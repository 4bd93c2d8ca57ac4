"""Doubles for the pure tests: an outlet, a clock and events that are set by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from realtime.frames import Frame
from realtime.log import LoggedEvent

TIMESTAMP = "2024-01-15T10:30:00.000Z"


def fixed_timestamp() -> str:
    """The moment at which every pure test happens."""
    return TIMESTAMP


class FakeClock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_seconds(self, seconds: float) -> None:
        self.seconds += seconds


class FakeOutlet:
    """A connection's way out with room for so many bytes; endless room by default.

    Like a socket's buffer it takes a whole write while it has room, and has none afterwards.
    """

    def __init__(self, room_bytes: float = math.inf) -> None:
        self.frames: list[Frame] = []
        self.writes = 0
        self.closed: tuple[int, str] | None = None
        self._room_bytes = room_bytes
        self._callback: Callable[[], None] = lambda: None

    @property
    def is_writable(self) -> bool:
        return self._room_bytes > 0 and self.closed is None

    def write(self, frames: Sequence[Frame]) -> None:
        assert self.closed is None, "written after the close"
        self.writes += 1
        self.frames.extend(frames)
        self._room_bytes -= sum(frame.size for frame in frames)

    def when_writable(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def close(self, code: int, reason: str) -> None:
        assert self.closed is None, "closed twice"
        self.closed = (code, reason)

    def block(self) -> None:
        """The client stops reading."""
        self._room_bytes = 0

    def make_room(self, room_bytes: float = math.inf) -> None:
        """The client has read: there is room for so many bytes again."""
        was_writable = self.is_writable
        self._room_bytes = room_bytes
        if not was_writable and self.is_writable:
            self._callback()

    def take_messages(self) -> list[dict[str, Any]]:
        """The messages written since the last call."""
        messages = [json.loads(frame.text) for frame in self.frames]
        self.frames.clear()
        return messages


def logged(
    seq: int,
    *,
    feed: str = "price",
    key: str = "BTC",
    action: str = "updated",
    live: bool = True,
    data: Mapping[str, Any] | None = None,
    was: Mapping[str, Any] | None = None,
) -> LoggedEvent:
    """One numbered event; its id is not its number, as in a real log."""
    values = {"instrument": key} if data is None else data
    return LoggedEvent(
        seq=seq,
        id=seq + 5000,
        feed=feed,
        key=key,
        action=action,
        live=live,
        was=None if was is None else json.dumps(was),
        data=json.dumps(values),
        timestamp=TIMESTAMP,
    )


def parsed(frame: Frame) -> dict[str, Any]:
    """The message of a frame."""
    message: dict[str, Any] = json.loads(frame.text)
    return message
