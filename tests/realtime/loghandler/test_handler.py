"""Python's logging on the `system_log` feed: all that belongs there, and no harm to who logs."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection, transaction
from pytest_django import Settings

from realtime.loghandler import handler as loghandler
from realtime.loghandler import writer as logwriter
from realtime.loghandler.handler import OWN_LOGGERS, OWN_THREADS, SystemLogHandler
from realtime.loghandler.writer import LogWriter
from realtime.models import Event
from realtime.relaying import Relay
from realtime.system_log import publish_log
from tests.realtime.events import rolled_back

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 20.0
# Far more than a call takes, far less than a wait for the database.
AT_ONCE_SECONDS = 5.0

Write = Callable[[Sequence[str]], None]


@pytest.fixture
def logger(settings: Settings) -> Iterator[logging.Logger]:
    """One that lets everything through to the handler, and to nothing else."""
    settings.REALTIME_LOG_HANDLER = True
    yield logger_named("desk")
    loghandler.stop()


def logger_named(name: str) -> logging.Logger:
    logger = logging.Logger(name, logging.DEBUG)
    logger.addHandler(SystemLogHandler(logging.NOTSET))
    return logger


def published() -> list[dict[str, Any]]:
    """The data of every line that the log of events holds."""
    assert loghandler.flush(deadline_seconds=PATIENCE_SECONDS)
    rows = Event.objects.filter(feed="system_log").order_by("id")
    return [json.loads(row.data) for row in rows]


def messages() -> list[str]:
    return [line["message"] for line in published()]


class Database:
    """Stands for the thread's writing: it can be away, or refuse."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._write: Write = logwriter.write_lines
        self.error: Exception | None = None
        self.attempts = 0
        self.before_write: Callable[[], None] = lambda: None
        monkeypatch.setattr(logwriter, "write_lines", self.write)

    def write(self, lines: Sequence[str]) -> None:
        self.attempts += 1
        self.before_write()
        if self.error is not None:
            raise self.error
        self._write(lines)

    def wait_for_attempts(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.attempts < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    return Database(monkeypatch)


def test_project_has_it_on_by_default() -> None:
    root = logging.getLogger()
    (handler,) = (each for each in root.handlers if isinstance(each, SystemLogHandler))
    assert handler.level == logging.INFO
    assert root.isEnabledFor(logging.INFO)


def test_line_is_published_with_its_level_module_and_fields(logger: logging.Logger) -> None:
    logger.info("Filled %s", "BTC", extra={"count": 3})
    try:
        raise ValueError("no price")
    except ValueError:
        logger.exception("It failed")
    filled, failed = published()
    assert (filled["level"], filled["module"], filled["message"]) == ("INFO", "desk", "Filled BTC")
    assert filled["extra"] == {"count": 3}
    assert (failed["level"], failed["message"]) == ("ERROR", "It failed")
    assert failed["exception"].endswith("ValueError: no price")


def test_debug_never_leaves_whatever_the_levels_say(logger: logging.Logger) -> None:
    for handler in logger.handlers:
        handler.setLevel(logging.DEBUG)
    logger.debug("never")
    logger.log(logging.INFO - 1, "never")
    logger.info("the next")
    assert messages() == ["the next"]


def test_secrets_are_scrubbed(logger: logging.Logger) -> None:
    secret = "feedfacefeedfacefeedface"
    logger.info(
        "GET /ws?token=%s", secret, extra={"api_key": secret, "headers": {"Cookie": secret}}
    )
    try:
        raise ValueError(f"Authorization: Token {secret}")
    except ValueError:
        logger.exception("password=%s", secret)
    assert secret not in json.dumps(published())
    assert len(published()) == 2


def test_error_inside_a_transaction_that_is_rolled_back_is_published(
    logger: logging.Logger,
) -> None:
    with rolled_back():
        publish_log(level="INFO", message="undone", module="tests")
        logger.error("It fails")
    assert messages() == ["It fails"]


def test_nobody_waits_for_a_database_that_is_locked(logger: logging.Logger) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        lock = "" if connection.vendor == "sqlite" else "LOCK TABLE realtime_event"
        cursor.execute(lock or "UPDATE realtime_stream SET head = head")
        started = time.monotonic()
        for number in range(100):
            logger.error("%d", number)
        assert time.monotonic() - started < AT_ONCE_SECONDS
        assert not loghandler.flush(deadline_seconds=0.3)
    assert messages() == [str(number) for number in range(100)]


@pytest.mark.parametrize(
    ("name", "level", "is_published"),
    [
        *((name, logging.CRITICAL, False) for name in OWN_LOGGERS),
        ("realtime.log.appending", logging.ERROR, False),
        ("channels_redis.pubsub", logging.ERROR, False),
        ("django.db.backends.schema", logging.ERROR, False),
        ("uvicorn.access", logging.INFO, False),
        ("django.server", logging.ERROR, False),
        ("django.channels.server", logging.INFO, False),
        ("django.request", logging.WARNING, False),
        ("django.request", logging.ERROR, True),
        ("django.db.backends.base", logging.ERROR, True),
        ("django.security.DisallowedHost", logging.ERROR, True),
        ("realtime.auth.credentials", logging.WARNING, True),
        ("realtime.logs_of_another_kind", logging.INFO, True),
        ("daphne.server", logging.INFO, True),
        ("root", logging.INFO, True),
        ("desk", logging.INFO, True),
    ],
)
def test_which_loggers_are_published(name: str, level: int, is_published: bool) -> None:
    record = logging.LogRecord(name, level, "", 0, "x", (), None)
    assert loghandler.is_published(record) == is_published


def test_nothing_that_its_own_thread_logs_is_published(
    logger: logging.Logger, database: Database
) -> None:
    database.before_write = lambda: logger.error("A batch is written")
    logger.info("one")
    assert messages() == ["one"]
    logger.info("two")
    assert messages() == ["one", "two"]
    assert database.attempts == 2


def test_threads_that_carry_events_are_known_by_their_names() -> None:
    before = set(threading.enumerate())
    relay = Relay()
    started = {thread.name for thread in threading.enumerate() if thread not in before}
    relay.stop()
    assert {relay.name, logwriter.THREAD_NAME, *started} <= OWN_THREADS


def test_lines_are_kept_while_the_database_is_away(
    logger: logging.Logger, database: Database
) -> None:
    database.error = OperationalError("gone")
    logger.info("one")
    database.wait_for_attempts(2)
    logger.info("two")
    database.error = None
    assert messages() == ["one", "two"]


def test_what_is_dropped_while_the_database_is_away_is_counted_and_reported(
    logger: logging.Logger, database: Database, settings: Settings
) -> None:
    settings.REALTIME_LOG_QUEUE_LINES = 20
    settings.REALTIME_LOG_LINES_PER_SECOND = 1000
    database.error = OperationalError("gone")
    logger.error("0")
    database.wait_for_attempts(1)
    started = time.monotonic()
    for number in range(1, 300):
        logger.error("%d", number)
    assert time.monotonic() - started < AT_ONCE_SECONDS
    database.error = None
    *kept, report = published()
    assert [line["message"] for line in kept] == [str(number) for number in range(len(kept))]
    assert 19 <= len(kept) <= 21
    assert (report["level"], report["module"]) == ("WARNING", "realtime.loghandler")
    dropped = 300 - len(kept)
    assert report["extra"] == {"dropped": dropped}
    assert report["message"] == (
        f"{dropped} log lines were not published: {dropped} with the queue full"
    )
    logger.error("the next")
    assert messages()[-2:] == [report["message"], "the next"]


def test_storm_is_cut_to_the_rate_and_what_is_beyond_is_reported(
    logger: logging.Logger, settings: Settings
) -> None:
    settings.REALTIME_LOG_LINES_PER_SECOND = 2
    for number in range(3000):
        logger.info("%d", number)
    lines = published()
    taken = [line for line in lines if line["module"] == "desk"]
    told = sum(line["extra"]["dropped"] for line in lines if line["module"] != "desk")
    assert len(taken) + told == 3000
    # Half of ten seconds' worth, and what the storm itself took.
    assert 10 <= len(taken) <= 40


def test_reports_need_no_further_line(logger: logging.Logger, settings: Settings) -> None:
    settings.REALTIME_LOG_LINES_PER_SECOND = 0.1
    for _ in range(5):
        logger.info("x")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not Event.objects.filter(data__contains="4 log lines were not published").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("error", [DataError("no"), LookupError("no feed")])
def test_batch_that_is_refused_is_counted_and_holds_nothing_up(
    logger: logging.Logger, database: Database, error: Exception
) -> None:
    database.error = error
    logger.info("refused")
    database.wait_for_attempts(1)
    database.error = None
    logger.info("the next")
    lines = published()
    assert "the next" in [line["message"] for line in lines]
    assert "1 refused by the database" in " ".join(line["message"] for line in lines)
    assert "refused" not in [line["message"] for line in lines]


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_forked_child_begins_without_its_parents_lines_and_thread(
    logger: logging.Logger, database: Database
) -> None:
    database.error = OperationalError("gone")
    logger.info("of the parent")
    database.wait_for_attempts(1)
    child = os.fork()
    if child == 0:
        has_begun_anew = loghandler._queue is None and loghandler._writer is None
        os._exit(0 if has_begun_anew else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    database.error = None
    assert messages() == ["of the parent"]


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_nobody_forks_while_the_thread_is_in_the_database(
    logger: logging.Logger, database: Database
) -> None:
    """What it held there, a lock inside the driver, would be held in the child for ever."""
    is_inside = threading.Event()

    def write_slowly() -> None:
        is_inside.set()
        time.sleep(0.1)
        is_inside.clear()

    database.before_write = write_slowly
    logger.info("slow")
    assert is_inside.wait(PATIENCE_SECONDS)
    child = os.fork()
    if child == 0:
        os._exit(1 if is_inside.is_set() else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert messages() == ["slow"]


def test_flush_gives_up_when_the_database_is_away(
    logger: logging.Logger, database: Database
) -> None:
    """A command whose database is gone must not wait for it at its end."""
    database.error = OperationalError("gone")
    logger.info("lost")
    started = time.monotonic()
    assert loghandler.flush(deadline_seconds=PATIENCE_SECONDS)
    assert time.monotonic() - started < AT_ONCE_SECONDS


def test_flush_waits_no_longer_than_its_deadline(
    logger: logging.Logger, database: Database
) -> None:
    is_over = threading.Event()
    database.before_write = lambda: bool(is_over.wait(PATIENCE_SECONDS)) and None
    logger.info("slow")
    started = time.monotonic()
    assert not loghandler.flush(deadline_seconds=0.1)
    assert time.monotonic() - started < AT_ONCE_SECONDS
    is_over.set()
    assert messages() == ["slow"]


def test_flush_starts_no_thread(settings: Settings) -> None:
    settings.REALTIME_LOG_HANDLER = True
    assert loghandler.flush(deadline_seconds=PATIENCE_SECONDS)
    SystemLogHandler().flush()
    assert logwriter.THREAD_NAME not in [thread.name for thread in threading.enumerate()]


def test_line_that_comes_when_no_thread_can_start_harms_nobody(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr(LogWriter, "start", refuse)
        logger.info("early")
        assert loghandler.flush(deadline_seconds=PATIENCE_SECONDS)
    logger.info("later")
    assert messages() == ["early", "later"]


@pytest.mark.parametrize("part", ["conf", "line_data"])
def test_nothing_that_fails_reaches_who_logs(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr(loghandler, part, fail)
        logger.info("lost")
    logger.info("the next")
    assert "the next" in messages()
    assert "lost" not in messages()


def test_bad_line_is_counted(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(loghandler, "line_data", lambda record: {"x": object()})
        logger.info("lost")
    assert messages() == ["1 log lines were not published: 1 refused by the database"]


def test_setting_turns_it_off(settings: Settings) -> None:
    settings.REALTIME_LOG_HANDLER = False
    logger_named("desk").critical("never")
    assert messages() == []
    assert logwriter.THREAD_NAME not in [thread.name for thread in threading.enumerate()]


def test_filters_of_the_handler_hold(logger: logging.Logger) -> None:
    logger.handlers[0].addFilter(lambda record: "secret" not in record.getMessage())
    logger.info("a secret plan")
    logger.info("the next")
    assert messages() == ["the next"]


def test_many_threads_lose_nothing(logger: logging.Logger, settings: Settings) -> None:
    settings.REALTIME_LOG_LINES_PER_SECOND = 1000
    names = [f"{worker} {number}" for worker in range(8) for number in range(20)]
    threads = [
        threading.Thread(target=lambda part=part: [logger.error(name) for name in part])  # type: ignore[misc]
        for part in (names[start : start + 20] for start in range(0, len(names), 20))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(messages()) == sorted(names)


def test_thread_leaves_no_connection_when_it_has_nothing_to_do(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_closed = threading.Event()
    close = LogWriter._close_connection
    monkeypatch.setattr(
        LogWriter, "_close_connection", lambda writer: (close(writer), is_closed.set())
    )
    monkeypatch.setattr(logwriter, "IDLE_SECONDS", 0.1)
    logger.info("x")
    assert is_closed.wait(PATIENCE_SECONDS)
    assert messages() == ["x"]
