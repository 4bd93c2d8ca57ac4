"""The thread that publishes log lines, in batches, when the database takes them."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Sequence

import orjson
from django.apps import apps
from django.db import DataError, IntegrityError
from django.db import Error as DatabaseError

from realtime.loghandler.queue import Dropped, LogQueue
from realtime.timestamps import timestamp

logger = logging.getLogger(__name__)

THREAD_NAME = "realtime-logs"
REPORTER = "realtime.loghandler"
BATCH_LINES = 100
# A transaction for each line would keep other writers waiting.
BATCH_SECONDS = 0.1
IDLE_SECONDS = 5.0
COUNTING_SECONDS = 0.5
RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 5.0
# A short command with its database away says so itself.
FAILURES_TO_TELL_OF = 3


class LogWriter(threading.Thread):
    """Writes what the queue holds on this thread's own connection; tries again until it may."""

    def __init__(self, queue: LogQueue) -> None:
        super().__init__(name=THREAD_NAME, daemon=True)
        self._queue = queue
        self._batch: list[str] = []
        self._failures = 0
        # How many flushes were asked for, and up to which of them all is settled.
        self._asked = self._settled = 0
        self._progress = threading.Condition()
        self._hurry = threading.Event()
        self._in_database = threading.Lock()
        self._is_stopping = False

    def flush(self, *, deadline_seconds: float) -> bool:
        """Wait until all is written or the database has refused it; False at the deadline."""
        if not self.is_alive() or not apps.ready:
            return False
        with self._progress:
            self._asked += 1
            asked = self._asked
        self._hurry.set()
        self._queue.wake()
        with self._progress:
            done = self._progress.wait_for(lambda: self._settled >= asked, deadline_seconds)
            # Nobody waits for an earlier one any more.
            self._settled = max(self._settled, asked)
        return done

    def leave_database(self, *, deadline_seconds: float) -> bool:
        """Keep the thread out of the database until `enter_database`; False at the deadline.

        What a thread holds inside a driver while another one forks is held in the child for ever.
        """
        return self._in_database.acquire(timeout=deadline_seconds)

    def enter_database(self) -> None:
        """Let the thread go on after `leave_database`."""
        self._in_database.release()

    def stop(self) -> None:
        """End the thread and close its connection; what waits is lost."""
        self._is_stopping = True
        self._hurry.set()
        self._queue.wake()
        self.join(timeout=5)

    def run(self) -> None:
        """Publish until stopped."""
        # Records come from Django's first moments on; models, feeds and databases later.
        apps.ready_event.wait()
        try:
            while not self._is_stopping:
                self._hurry.clear()
                asked, failures = self._asked, self._failures
                pause = self._turn(in_a_hurry=asked > self._settled)
                is_away = self._failures > failures and bool(self._batch)
                if is_away or self._has_nothing_to_do():
                    self._settle(asked)
                if self._asked == self._settled and not self._is_stopping:
                    self._hurry.wait(pause)
        finally:
            self._close_connection()

    def _settle(self, asked: int) -> None:
        with self._progress:
            self._settled = max(self._settled, asked)
            self._progress.notify_all()

    def _has_nothing_to_do(self) -> bool:
        return not self._batch and self._queue.is_empty() and not self._queue.dropped.total

    def _turn(self, *, in_a_hurry: bool) -> float:
        """Write one batch, if there is one; returns for how long to pause."""
        if not self._batch:
            has_drops = self._queue.dropped.total > 0
            wait = 0.0 if in_a_hurry else COUNTING_SECONDS if has_drops else IDLE_SECONDS
            self._batch = self._queue.take(most=BATCH_LINES, timeout_seconds=wait)
        is_due = self._queue.report_is_due or (in_a_hurry and self._queue.is_empty())
        reported = self._queue.dropped if is_due else Dropped()
        lines = [*self._batch, _report(reported)] if reported.total else self._batch
        if not lines:
            self._close_connection()
            return 0.0
        return self._write(lines, reported)

    def _write(self, lines: Sequence[str], reported: Dropped) -> float:
        try:
            with self._in_database:
                write_lines(lines)
        except Exception as error:
            self._close_connection()
            return self._fail(error)
        if self._failures >= FAILURES_TO_TELL_OF:
            logger.warning("The database takes log lines again")
        self._batch, self._failures = [], 0
        self._queue.forget(reported)
        return BATCH_SECONDS

    def _close_connection(self) -> None:
        from realtime.log.database import connection

        # It may be broken: then there is nothing to close.
        with self._in_database, contextlib.suppress(Exception):
            connection().close()

    def _fail(self, error: Exception) -> float:
        is_refused = isinstance(error, DataError | IntegrityError)
        if is_refused or not isinstance(error, DatabaseError):
            # It would be so again, and all later lines would wait behind it.
            self._queue.count(Dropped(refused=len(self._batch)))
            self._batch = []
        self._failures += 1
        if self._failures == FAILURES_TO_TELL_OF:
            logger.warning("Log lines cannot be published, trying again: %r", error)
        return float(min(RETRY_SECONDS * 2 ** min(self._failures - 1, 10), LONGEST_RETRY_SECONDS))


def write_lines(lines: Sequence[str]) -> None:
    """Publish `lines` in one transaction on this thread's connection."""
    from realtime.log.database import connection, guard_connection
    from realtime.system_log import publish_lines

    guard_connection()
    publish_lines(lines)
    if connection().vendor == "sqlite":
        # An open file may be one that was removed or replaced: what is written there is lost.
        connection().close()


def _report(dropped: Dropped) -> str:
    reasons: tuple[tuple[int, str], ...] = (
        (dropped.over_rate, "beyond the rate"),
        (dropped.queue_full, "with the queue full"),
        (dropped.refused, "refused by the database"),
    )
    parts = ", ".join(f"{count} {reason}" for count, reason in reasons if count)
    return orjson.dumps(
        {
            "level": "WARNING",
            "module": REPORTER,
            "message": f"{dropped.total} log lines were not published: {parts}",
            "timestamp": timestamp(),
            "extra": {"dropped": dropped.total},
        }
    ).decode()
