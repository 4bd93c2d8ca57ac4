"""How a delay is told while the database does not answer, and when it fails."""

from __future__ import annotations

import pytest

from realtime.delays import OVERDUE_SECONDS, Delay

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
def delay(clock: Clock) -> Delay:
    return Delay(clock=clock)


def test_turn_that_is_answered_is_no_delay(delay: Delay, clock: Clock) -> None:
    delay.begin_turn()
    clock.now += OVERDUE_SECONDS / 2
    assert (delay.seconds, delay.error) == (0.0, None)
    delay.end_turn()
    clock.now += LONG_SECONDS
    assert (delay.seconds, delay.error) == (0.0, None)


def test_question_without_an_answer_is_a_delay(delay: Delay, clock: Clock) -> None:
    delay.begin_turn()
    clock.now += LONG_SECONDS
    assert (delay.seconds, delay.error) == (LONG_SECONDS, "The database does not answer.")
    assert not delay.is_failing
    delay.end_turn()
    assert (delay.seconds, delay.error) == (0.0, None)


def test_who_catches_up_answer_by_answer_is_not_waiting(delay: Delay, clock: Clock) -> None:
    delay.note_answer()
    assert delay.seconds == 0.0
    delay.begin_turn()
    for _ in range(5):
        clock.now += OVERDUE_SECONDS / 2
        delay.note_answer()
    assert delay.seconds == 0.0


def test_failure_counts_from_the_question(delay: Delay, clock: Clock) -> None:
    delay.begin_turn()
    clock.now += LONG_SECONDS
    assert delay.fail_turn(OSError("gone"))
    assert (delay.seconds, delay.error, delay.is_failing) == (LONG_SECONDS, "OSError: gone", True)
    clock.now += LONG_SECONDS
    delay.begin_turn()
    clock.now += LONG_SECONDS
    assert not delay.fail_turn(OSError("still gone"))
    assert (delay.seconds, delay.error) == (3 * LONG_SECONDS, "OSError: still gone")
    delay.begin_turn()
    delay.end_turn()
    assert (delay.seconds, delay.error, delay.is_failing) == (0.0, None, False)


def test_failure_outside_a_turn_counts_from_itself(delay: Delay, clock: Clock) -> None:
    assert delay.fail_turn(OSError())
    clock.now += LONG_SECONDS
    assert (delay.seconds, delay.error) == (LONG_SECONDS, "OSError:")
