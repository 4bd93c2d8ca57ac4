"""The shared probe: one thread and one question, whoever asks, and nobody waits for long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError

from realtime import log, probing
from realtime.log import Standing
from realtime.probing import DatabaseProbe
from tests.realtime.fakes import FakeClock

STANDING = Standing("9f2c", 7, 1, 0)
SECONDS = 10.0
ASKERS = 20


class FakeDatabase:
    """Answers when its gate is open, and counts the questions."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.asked = threading.Semaphore(0)
        self.questions = 0
        self.error: Exception | None = None

    def standing(self) -> Standing:
        self.questions += 1
        self.asked.release()
        assert self.gate.wait(SECONDS)
        if self.error is not None:
            raise self.error
        return STANDING


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> FakeDatabase:
    made = FakeDatabase()
    monkeypatch.setattr(log, "standing", made.standing)
    monkeypatch.setattr(probing, "guard_connection", lambda: None)
    return made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def probe(database: FakeDatabase, clock: FakeClock) -> Iterator[DatabaseProbe]:
    made = DatabaseProbe(clock=clock)
    yield made
    database.gate.set()
    made.stop()


def test_who_asks_gets_the_answer(probe: DatabaseProbe, database: FakeDatabase) -> None:
    database.gate.set()
    answer = probe.ask(timeout_seconds=SECONDS)
    assert (answer.standing, answer.error) == (STANDING, None)


def test_answer_is_good_for_a_moment(
    probe: DatabaseProbe, database: FakeDatabase, clock: FakeClock
) -> None:
    database.gate.set()
    for _ in range(5):
        probe.ask(timeout_seconds=SECONDS)
    assert database.questions == 1
    clock.pass_seconds(probing.FRESH_SECONDS)
    probe.ask(timeout_seconds=SECONDS)
    assert database.questions == 2


def test_frozen_database_holds_one_thread_however_many_ask(
    probe: DatabaseProbe, database: FakeDatabase, clock: FakeClock
) -> None:
    before = threading.active_count()
    with ThreadPoolExecutor(ASKERS) as pool:
        answers = list(pool.map(lambda _: probe.ask(timeout_seconds=0.01), range(ASKERS)))
    assert all("no answer" in (answer.error or "") for answer in answers)
    assert database.questions == 1
    assert threading.active_count() == before + 1
    clock.pass_seconds(60.0)
    # It has been silent for long enough: nobody waits for it any more.
    assert probe.ask(timeout_seconds=SECONDS).error == "no answer for 60.0 seconds"
    assert database.questions == 1


def test_database_that_answers_again_is_well_again(
    probe: DatabaseProbe, database: FakeDatabase, clock: FakeClock
) -> None:
    assert probe.ask(timeout_seconds=0.01).error is not None
    database.gate.set()
    clock.pass_seconds(5.0)
    assert probe.ask(timeout_seconds=SECONDS).error is None


def test_what_goes_wrong_is_told_and_tried_again(
    probe: DatabaseProbe, database: FakeDatabase, clock: FakeClock
) -> None:
    database.gate.set()
    database.error = OperationalError("no route to host")
    assert probe.ask(timeout_seconds=SECONDS).error == "OperationalError: no route to host"
    database.error = None
    clock.pass_seconds(1.0)
    assert probe.ask(timeout_seconds=SECONDS).error is None


def test_thread_ends_when_nobody_asks(
    probe: DatabaseProbe, database: FakeDatabase, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "IDLE_SECONDS", 0.001)
    database.gate.set()
    probe.ask(timeout_seconds=SECONDS)
    deadline = threading.Event()
    for _ in range(1000):
        if not any(thread.name == "realtime-probe" for thread in threading.enumerate()):
            break
        deadline.wait(0.01)
    else:
        raise AssertionError("the thread goes on")
    clock.pass_seconds(1.0)
    assert probe.ask(timeout_seconds=SECONDS).error is None
