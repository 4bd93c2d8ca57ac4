"""What the relay's thread writes down, read at any moment."""

from __future__ import annotations

import pytest

from realtime.vitals import STUCK_SECONDS, Vitals
from tests.realtime.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def vitals(clock: FakeClock) -> Vitals:
    return Vitals(clock=clock)


def test_database_answers_once_a_look_has_ended(vitals: Vitals, clock: FakeClock) -> None:
    vitals.start_anew()
    assert not vitals.has_looked_within(1.0)
    vitals.begin_look()
    assert not vitals.has_looked_within(1.0)
    vitals.end_look()
    assert vitals.has_looked_within(1.0)
    clock.pass_seconds(1.5)
    assert not vitals.has_looked_within(1.0)
    assert vitals.since_look_seconds == 1.5


def test_failure_is_news_once_and_counts_from_its_first(vitals: Vitals, clock: FakeClock) -> None:
    vitals.end_look()
    assert vitals.fail(OSError("gone"))
    clock.pass_seconds(2.0)
    vitals.begin_look()
    assert not vitals.fail(OSError("still gone"))
    assert (vitals.error, vitals.delayed_seconds) == ("OSError: still gone", 2.0)
    assert not vitals.has_looked_within(60.0)
    vitals.end_look()
    assert (vitals.error, vitals.delayed_seconds, vitals.is_failing) == (None, 0.0, False)


def test_question_without_an_answer_is_a_delay(vitals: Vitals, clock: FakeClock) -> None:
    vitals.begin_look()
    clock.pass_seconds(STUCK_SECONDS / 2)
    assert vitals.delayed_seconds == 0.0
    clock.pass_seconds(STUCK_SECONDS)
    assert vitals.delayed_seconds == vitals.looking_seconds == 1.5 * STUCK_SECONDS
    assert not vitals.is_failing
    vitals.end_look()
    assert vitals.looking_seconds == vitals.delayed_seconds == 0.0


def test_who_catches_up_answer_by_answer_is_not_waiting(vitals: Vitals, clock: FakeClock) -> None:
    vitals.note_answer()
    assert vitals.delayed_seconds == 0.0
    vitals.begin_look()
    for _ in range(5):
        clock.pass_seconds(STUCK_SECONDS / 2)
        vitals.note_answer()
    assert vitals.delayed_seconds == 0.0


def test_failure_counts_from_the_question(vitals: Vitals, clock: FakeClock) -> None:
    vitals.begin_look()
    clock.pass_seconds(10.0)
    vitals.fail(OSError("gone"))
    assert vitals.delayed_seconds == 10.0


def test_what_nobody_waited_for_is_no_delay(vitals: Vitals, clock: FakeClock) -> None:
    vitals.end_look()
    clock.pass_seconds(3600.0)
    vitals.start_anew()
    assert vitals.since_look_seconds == 0.0
