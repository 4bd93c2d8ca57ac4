"""`max_rate`: holds a whole connection back, and of each key lets only the newest event survive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from realtime import metrics
from realtime.frames import Frame


class Pace:
    """Flushes at most `rate` times a second, in the order of `seq`.

    The whole connection is held back: holding back single keys would reorder the stream, and a
    client that resumes from the newest number it saw would lose the events held below it.
    """

    def __init__(
        self,
        rate: float,
        *,
        budget_bytes: int,
        flush: Callable[[Sequence[Frame]], None],
        clock: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle],
    ) -> None:
        self._interval = 1 / rate
        self._flush = flush
        self._clock = clock
        self._call_later = call_later
        self._held: dict[object, Frame] = {}
        self._held_bytes = 0
        self._budget_bytes = budget_bytes
        self._first_held = 0
        self._last_flush = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    @property
    def first_held(self) -> int:
        """The number of the first event since the last flush; 0 when none is held."""
        return self._first_held

    def push(self, frames: Iterable[Frame]) -> None:
        """Hold `frames`, or flush at once when the last flush is long enough ago."""
        for frame in frames:
            self._first_held = self._first_held or frame.seq
            # Put in again at the end: what survives stays in the order of `seq`.
            key = frame.key or frame.seq
            replaced = self._held.pop(key, None)
            self._held_bytes += frame.size
            self._held[key] = frame
            if replaced is not None:
                self._held_bytes -= replaced.size
                metrics.events_dropped["max_rate"] += 1
        wait = self._last_flush + self._interval - self._clock()
        # Messages without a key replace nothing: when too many are held, they go before their time.
        if wait <= 0 or self._held_bytes > self._budget_bytes:
            self.flush()
        elif self._timer is None and self._held:
            self._timer = self._call_later(wait, self.flush)

    def flush(self) -> None:
        """Send what is held now."""
        held = self.drop()
        if held:
            self._last_flush = self._clock()
            self._flush(held)

    def drop(self) -> list[Frame]:
        """Forget what is held, and return it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held = list(self._held.values())
        self._held.clear()
        self._held_bytes = 0
        self._first_held = 0
        return held


def newest_of_each_key(frames: Iterable[Frame]) -> list[Frame]:
    """What survives of `frames`, in the order of `seq`."""
    survivors: dict[object, Frame] = {}
    for frame in frames:
        key = frame.key or frame.seq
        survivors.pop(key, None)
        survivors[key] = frame
    return list(survivors.values())
