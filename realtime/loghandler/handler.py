"""Python's logging to the `system_log` feed: INFO and above, and nothing that would wait for it.

Its one line in a project's `LOGGING`: `"class": "realtime.loghandler.SystemLogHandler"`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from dataclasses import dataclass
from functools import lru_cache

import orjson

from realtime.conf import conf
from realtime.loghandler.lines import line_data
from realtime.loghandler.queue import Dropped, LogQueue
from realtime.loghandler.writer import THREAD_NAME, LogWriter

EXIT_SECONDS = 2.0
# How long a fork waits for the thread; it is longer in the database when that is locked, and then
# holds nothing that a child needs.
FORK_SECONDS = 1.0
NEVER = logging.CRITICAL + 1000

# What carries events logs about them: on the feed, each such line would make another.
OWN_LOGGERS = (
    "realtime.bridge",
    "realtime.delivery",
    "realtime.hub",
    "realtime.layer",
    "realtime.log",
    "realtime.loghandler",
    "realtime.polling",
    "realtime.publishing",
    "realtime.relay",
    "realtime.relaying",
    "channels",
    "channels_redis",
    "django.db.backends",
    "psycopg",
    "redis",
)
OWN_THREADS = frozenset({THREAD_NAME, "realtime-relay", "realtime-layer-publisher"})
# A line for each request: who reads the feed over HTTP would feed it. Django says each failed
# request once more, as `django.request`.
ACCESS_LOGGERS = (
    "django.channels.server",
    "django.server",
    "gunicorn.access",
    "hypercorn.access",
    "uvicorn.access",
)
LEAST_LEVELS = {
    # An application's callback that failed after a commit.
    "django.db.backends.base": logging.ERROR,
    # What a client asked wrongly is its own affair, and anybody can ask so.
    "django.request": logging.ERROR,
    **dict.fromkeys((*OWN_LOGGERS, *ACCESS_LOGGERS), NEVER),
}

_lock = threading.RLock()
_starting = threading.Lock()
_queue: LogQueue | None = None
_writer: LogWriter | None = None
_forking = threading.local()


class SystemLogHandler(logging.Handler):
    """Publishes records to the `system_log` feed, and never waits, raises or publishes DEBUG.

    All handlers of a process share one queue and one thread, which the first line starts.
    """

    def __init__(self, level: int | str = logging.INFO) -> None:
        super().__init__(level)

    def handle(self, record: logging.LogRecord) -> bool | logging.LogRecord:  # type: ignore[override]
        """Filter and emit without the lock that handlers with a file need."""
        passed = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Put the record's line on the queue, or count it; whatever fails, the caller goes on."""
        # Beside other handlers: they say what is wrong with a record.
        with contextlib.suppress(Exception):
            if is_published(record) and conf().log_handler:
                _put(record)

    def flush(self) -> None:
        """Wait for the thread, if one runs, for at most two seconds: `logging` calls it at exit."""
        flush(deadline_seconds=EXIT_SECONDS)


def is_published(record: logging.LogRecord) -> bool:
    """Whether this record belongs on the feed."""
    if record.levelno < logging.INFO or record.levelno < least_level(record.name):
        return False
    return threading.current_thread().name not in OWN_THREADS


@lru_cache(maxsize=1024)
def least_level(logger_name: str) -> int:
    """The least level that is published of this logger: its own rule, or its nearest parent's."""
    name = logger_name
    while name:
        if name in LEAST_LEVELS:
            return LEAST_LEVELS[name]
        name = name.rpartition(".")[0]
    return logging.INFO


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many lines wait in this process, and how many it has dropped."""

    waiting: int
    dropped: Dropped


def backlog() -> Backlog:
    """What has become of this process's lines; never waits."""
    queue = _queue
    return Backlog(0, Dropped()) if queue is None else Backlog(queue.waiting, queue.ever_dropped)


def flush(*, deadline_seconds: float) -> bool:
    """Wait until what was logged is published or given up; False at the deadline."""
    writer = _writer
    return writer is None or writer.flush(deadline_seconds=deadline_seconds)


def stop() -> None:
    """End this process's thread, without what still waits: for tests."""
    global _queue, _writer
    with _lock:
        writer, _writer, _queue = _writer, None, None
    if writer is not None and writer.is_alive():
        writer.stop()


def _put(record: logging.LogRecord) -> None:
    queue = _process_queue()
    if queue.admit(record.levelno):
        try:
            queue.put(orjson.dumps(line_data(record)).decode())
        except Exception:
            queue.count(Dropped(refused=1))
    _start_writer(queue)


def _process_queue() -> LogQueue:
    global _queue
    with _lock:
        if _queue is None:
            _queue = LogQueue(
                most_lines=conf().log_queue_lines,
                lines_per_second=conf().log_lines_per_second,
            )
        return _queue


def _start_writer(queue: LogQueue) -> None:
    global _writer
    if _writer is not None and _writer.is_alive():
        return
    # Who comes second need not wait: the thread that is being started finds its line.
    if not _starting.acquire(blocking=False):
        return
    try:
        if _writer is None or not _writer.is_alive():
            writer = LogWriter(queue)
            # At interpreter exit no thread can start: these lines are lost.
            with contextlib.suppress(RuntimeError):
                writer.start()
                _writer = writer
    finally:
        _starting.release()


def _before_fork() -> None:
    writer = _writer
    is_out = writer is not None and writer.leave_database(deadline_seconds=FORK_SECONDS)
    _forking.paused = writer if is_out else None


def _after_fork_in_parent() -> None:
    if _forking.paused is not None:
        _forking.paused.enter_database()


def _after_fork_in_child() -> None:
    # The child inherits this module, but not the thread; the lines that wait are its parent's.
    global _queue, _writer, _lock, _starting
    _queue = _writer = None
    _lock, _starting = threading.RLock(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
