"""For how long the log could not be read: told while a question waits, not only once it failed."""

from __future__ import annotations

import time
from collections.abc import Callable

# A turn of the relay takes milliseconds: one without an answer for so long waits for the database.
OVERDUE_SECONDS = 1.0


class Delay:
    """Of one thread that reads the log; any thread may ask.

    A database that is frozen, or locked, fails nothing: the thread just waits for it.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failing_since: float | None = None
        self._waiting_since: float | None = None
        self._error: str | None = None

    @property
    def is_failing(self) -> bool:
        """Whether the last turn failed."""
        return self._failing_since is not None

    @property
    def seconds(self) -> float:
        """For how long the log could not be read; 0 when all is well."""
        failing_since, waiting_since = self._failing_since, self._waiting_since
        if failing_since is not None:
            return self._clock() - failing_since
        waited = 0.0 if waiting_since is None else self._clock() - waiting_since
        return waited if waited >= OVERDUE_SECONDS else 0.0

    @property
    def error(self) -> str | None:
        """Why the log cannot be read; None when all is well."""
        if self._error is None and self.seconds:
            return "The database does not answer."
        return self._error

    def begin_turn(self) -> None:
        """The database is asked from now on."""
        self._waiting_since = self._clock()

    def note_answer(self) -> None:
        """It has answered, and is asked on: whoever has much to catch up with is not waiting."""
        if self._waiting_since is not None:
            self._waiting_since = self._clock()

    def end_turn(self) -> None:
        """All is well."""
        self._failing_since = self._waiting_since = self._error = None

    def fail_turn(self, error: Exception) -> bool:
        """It could not be read, since the question was asked; False when that is known already."""
        is_news = self._failing_since is None
        if is_news:
            asked_at = self._waiting_since
            self._failing_since = self._clock() if asked_at is None else asked_at
        self._error = f"{type(error).__name__}: {error}".strip()
        self._waiting_since = None
        return is_news
