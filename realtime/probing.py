"""Whether the database answers, for a process whose relay does not know: one question at a time.

However many ask, and however long the database is silent, there is one thread and one connection,
and nobody waits longer than it says. Both end when nobody has asked for a while.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from realtime import log
from realtime.log import Standing
from realtime.log.database import connection, guard_connection

# So old an answer is still good: who asks every second costs one question a second.
FRESH_SECONDS = 0.9
IDLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the database said, or what is wrong; `at` is of the monotonic clock."""

    at: float
    seconds: float
    standing: Standing | None = None
    error: str | None = None


class DatabaseProbe:
    """Asks where the stream stands, in a thread of its own."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_wanted = False
        self._is_stopping = False
        self._asked_at: float | None = None
        self._answer: Answer | None = None

    def ask(self, *, timeout_seconds: float) -> Answer:
        """An answer of this moment, or, at the timeout, that there is none."""
        with self._changed:
            began = self._clock()
            if self._asked_at is None and not self._is_fresh(began):
                self._want()
            if self._asked_at is not None and began - self._asked_at < timeout_seconds:
                self._changed.wait_for(lambda: self._is_fresh(began), timeout_seconds)
            if self._answer is not None and self._is_fresh(began):
                return self._answer
            return self._silence()

    def stop(self) -> None:
        """End the thread and close its connection; for tests."""
        with self._changed:
            thread, self._is_stopping = self._thread, True
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout=5)
        self._is_stopping = False

    def _is_fresh(self, moment: float) -> bool:
        return self._answer is not None and self._answer.at > moment - FRESH_SECONDS

    def _want(self) -> None:
        self._is_wanted = True
        self._asked_at = self._clock()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="realtime-probe", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _silence(self) -> Answer:
        now = self._clock()
        seconds = 0.0 if self._asked_at is None else now - self._asked_at
        return Answer(now, seconds, error=f"no answer for {seconds:.1f} seconds")

    def _run(self) -> None:
        try:
            while self._is_asked():
                answer = self._look()
                with self._changed:
                    self._answer, self._asked_at = answer, None
                    self._changed.notify_all()
        finally:
            # It may be broken: then there is nothing to close.
            with contextlib.suppress(Exception):
                connection().close()

    def _is_asked(self) -> bool:
        """Wait to be asked; False when the thread should end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_wanted or self._is_stopping, IDLE_SECONDS)
            is_asked = self._is_wanted and not self._is_stopping
            self._is_wanted = False
            if not is_asked:
                self._thread = self._asked_at = None
            return is_asked

    def _look(self) -> Answer:
        began = self._clock()
        try:
            guard_connection()
            standing = log.standing()
        except Exception as error:
            with contextlib.suppress(Exception):
                connection().close()
            now = self._clock()
            return Answer(now, now - began, error=f"{type(error).__name__}: {error}".strip())
        now = self._clock()
        return Answer(now, now - began, standing)


probe = DatabaseProbe()


def _forget() -> None:
    # A forked child inherits neither the thread nor a connection that it may use.
    global probe
    probe = DatabaseProbe()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
