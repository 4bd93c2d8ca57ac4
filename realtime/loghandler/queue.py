"""Between those who log and the thread that publishes: takes a line at once, or counts it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

# A pause is made up for: so many seconds' worth may come at once.
BURST_SECONDS = 10.0
# What INFO may take of the queue and of the burst; the rest waits for warnings and errors.
SHARE_OF_INFO = 0.5
# Drops are reported when there were none for a while, or when they go on and on.
QUIET_SECONDS = 1.0
LONGEST_SILENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many lines were not published, by the reason."""

    over_rate: int = 0
    queue_full: int = 0
    refused: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.over_rate + self.queue_full + self.refused

    def __add__(self, other: Dropped) -> Dropped:
        return Dropped(
            self.over_rate + other.over_rate,
            self.queue_full + other.queue_full,
            self.refused + other.refused,
        )

    def __sub__(self, other: Dropped) -> Dropped:
        return self + Dropped(-other.over_rate, -other.queue_full, -other.refused)


class LogQueue:
    """Lines as JSON texts; nothing here waits, so that nobody who logs does.

    A signal handler or a finalizer may log in the middle of a call by its own thread: the lock is
    re-entrant, and so is `SimpleQueue.put`.
    """

    def __init__(
        self,
        *,
        most_lines: int,
        lines_per_second: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._most_lines = most_lines
        self._lines_per_second = lines_per_second
        self._burst = max(2.0, lines_per_second * BURST_SECONDS)
        self._tokens = self._burst
        self._clock = clock
        self._refilled_at = clock()
        self._lock = threading.RLock()
        self._dropped = Dropped()
        self._ever_dropped = Dropped()
        self._first_drop_at = self._last_drop_at = clock()

    @property
    def dropped(self) -> Dropped:
        """What was dropped and not yet reported."""
        return self._dropped

    @property
    def ever_dropped(self) -> Dropped:
        """What was dropped since the process began, reported or not."""
        return self._ever_dropped

    @property
    def waiting(self) -> int:
        """How many lines wait."""
        return self._lines.qsize()

    @property
    def report_is_due(self) -> bool:
        """Whether the drops are over, or have gone on for long enough, to be told of."""
        now = self._clock()
        is_over = now - self._last_drop_at >= QUIET_SECONDS and self.is_empty()
        goes_on = now - self._first_drop_at >= LONGEST_SILENCE_SECONDS
        return self._dropped.total > 0 and (is_over or goes_on)

    def admit(self, levelno: int) -> bool:
        """Whether a line of this level may be put; one that may not is counted."""
        share = 1.0 if levelno >= logging.WARNING else SHARE_OF_INFO
        with self._lock:
            if self._lines.qsize() >= self._most_lines * share:
                self.count(Dropped(queue_full=1))
                return False
            if not self._take_token(kept=self._burst * (1 - share)):
                self.count(Dropped(over_rate=1))
                return False
            return True

    def put(self, line: str) -> None:
        """Add a line that was admitted."""
        self._lines.put(line)

    def count(self, dropped: Dropped) -> None:
        """Add to what is to be reported."""
        with self._lock:
            is_first = not self._dropped.total
            self._dropped += dropped
            self._ever_dropped += dropped
            self._last_drop_at = self._clock()
            if is_first:
                self._first_drop_at = self._last_drop_at
        if is_first:
            self.wake()

    def forget(self, reported: Dropped) -> None:
        """Take what was reported off the count; more may have come meanwhile."""
        with self._lock:
            self._dropped -= reported
            self._first_drop_at = self._clock()

    def wake(self) -> None:
        """Let a `take` return, so that its caller looks around."""
        self._lines.put(None)

    def take(self, *, most: int, timeout_seconds: float) -> list[str]:
        """Wait for lines and return them, at most `most`; empty when woken or at the timeout."""
        taken: list[str] = []
        try:
            line = self._lines.get(timeout=timeout_seconds)
            while line is not None:
                taken.append(line)
                if len(taken) == most:
                    break
                line = self._lines.get_nowait()
        except Empty:
            pass
        return taken

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._lines.empty()

    def _take_token(self, *, kept: float) -> bool:
        now = self._clock()
        refill = (now - self._refilled_at) * self._lines_per_second
        self._tokens = min(self._burst, self._tokens + refill)
        self._refilled_at = now
        if self._tokens < kept + 1:
            return False
        self._tokens -= 1
        return True
