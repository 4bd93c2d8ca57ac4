"""How a delay is told while the database does not answer, and when it fails."""

from __future__ import annotations

import pytest

from realtime.vitals import STUCK_SECONDS, Vitals

LONG_SECONDS = 10.0


class Clock:
    """Goes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vitals(clock: Clock) -> Vitals:
    return Vitals(clock=clock)


def test_turn_that_is_answered_is_no_delay(vitals: Vitals, clock: Clock) -> None:
    vitals.begin_look()
    clock.now += STUCK_SECONDS / 2
    assert (vitals.delayed_seconds, vitals.error) == (0.0, None)
    vitals.end_look()
    clock.now += LONG_SECONDS
    assert (vitals.delayed_seconds, vitals.error) == (0.0, None)


def test_question_without_an_answer_is_a_delay(vitals: Vitals, clock: Clock) -> None:
    vitals.begin_look()
    clock.now += LONG_SECONDS
    assert (vitals.delayed_seconds, vitals.error) == (LONG_SECONDS, None)
    assert not vitals.is_failing
    vitals.end_look()
    assert (vitals.delayed_seconds, vitals.error) == (0.0, None)


def test_who_catches_up_answer_by_answer_is_not_waiting(vitals: Vitals, clock: Clock) -> None:
    vitals.note_answer()
    assert vitals.delayed_seconds == 0.0
    vitals.begin_look()
    for _ in range(5):
        clock.now += STUCK_SECONDS / 2
        vitals.note_answer()
    assert vitals.delayed_seconds == 0.0


def test_failure_counts_from_the_question(vitals: Vitals, clock: Clock) -> None:
    vitals.begin_look()
    clock.now += LONG_SECONDS
    assert vitals.fail(OSError("gone"))
    assert (vitals.delayed_seconds, vitals.error) == (LONG_SECONDS, "OSError: gone")
    assert vitals.is_failing
    clock.now += LONG_SECONDS
    vitals.begin_look()
    clock.now += LONG_SECONDS
    assert not vitals.fail(OSError("still gone"))
    assert (vitals.delayed_seconds, vitals.error) == (3 * LONG_SECONDS, "OSError: still gone")
    vitals.begin_look()
    vitals.end_look()
    assert (vitals.delayed_seconds, vitals.error, vitals.is_failing) == (0.0, None, False)


def test_failure_outside_a_turn_counts_from_itself(vitals: Vitals, clock: Clock) -> None:
    assert vitals.fail(OSError())
    clock.now += LONG_SECONDS
    assert (vitals.delayed_seconds, vitals.error) == (LONG_SECONDS, "OSError:")
