"""How the relay's thread is doing, for others to ask: numbers, never a wait."""

from __future__ import annotations

import time
from collections.abc import Callable

# A look without an answer for so long is told of as a delay.
STUCK_SECONDS = 1.0


class Vitals:
    """What the relay's thread writes down as it goes; any thread may read it."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_at: float | None = None
        self._wanted_since = clock()
        self._looking_since: float | None = None
        self._failing_since: float | None = None
        # What is wrong with the log; None when it could be read.
        self.error: str | None = None
        # Known from the last look: the newest number, and how many events wait for theirs.
        self.head = 0
        self.unnumbered = 0

    def begin_look(self) -> None:
        """The thread turns to the database."""
        self._looking_since = self._clock()

    def note_answer(self) -> None:
        """It has answered, and is asked on: whoever has much to catch up with is not waiting."""
        if self._looking_since is not None:
            self._looking_since = self._clock()

    def end_look(self) -> None:
        """It has read, numbered and handed over what there was."""
        self._looked_at = self._clock()
        self._looking_since = self._failing_since = self.error = None

    def fail(self, error: Exception) -> bool:
        """It could not; whether that is news."""
        self.error = f"{type(error).__name__}: {error}".strip()
        is_news = self._failing_since is None
        if is_news:
            asked_at = self._looking_since
            self._failing_since = self._clock() if asked_at is None else asked_at
        self._looking_since = None
        return is_news

    def start_anew(self) -> None:
        """Somebody wants to know from now on: what was before is no delay."""
        self._wanted_since = self._clock()

    def has_looked_within(self, seconds: float) -> bool:
        """Whether the log was read so short a time ago: then the database answers."""
        is_recent = self._looked_at is not None and self._clock() - self._looked_at <= seconds
        return is_recent and not self.is_failing

    @property
    def is_failing(self) -> bool:
        """Whether the last look failed."""
        return self._failing_since is not None

    @property
    def since_look_seconds(self) -> float:
        """For how long nothing was read to its end: about the poll's interval when all is well."""
        return self._clock() - max(self._looked_at or 0.0, self._wanted_since)

    @property
    def looking_seconds(self) -> float:
        """For how long the present look has gone on; 0 between two."""
        since = self._looking_since
        return 0.0 if since is None else self._clock() - since

    @property
    def delayed_seconds(self) -> float:
        """For how long the log could not be read, or has not answered; 0 when all is well."""
        since = self._failing_since
        if since is not None:
            return self._clock() - since
        looking = self.looking_seconds
        return looking if looking >= STUCK_SECONDS else 0.0
