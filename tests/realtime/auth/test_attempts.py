"""Attempts that fail: so many in a row, then one at a time, in bounded memory."""

from __future__ import annotations

import threading

import pytest

from realtime.auth.attempts import Allowance, Attempts
from tests.realtime.fakes import FakeClock

NAME = Allowance(attempts=3, seconds=10)
ADDRESS = Allowance(attempts=5, seconds=2)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def attempts(clock: FakeClock) -> Attempts:
    return Attempts(clock=clock)


def take_all(attempts: Attempts, key: str, allowance: Allowance) -> None:
    for _ in range(allowance.attempts):
        assert attempts.take({key: allowance}) == 0


def test_so_many_in_a_row_and_then_one_at_a_time(attempts: Attempts, clock: FakeClock) -> None:
    take_all(attempts, "a", NAME)
    assert attempts.take({"a": NAME}) == pytest.approx(10)
    clock.pass_seconds(4)
    assert attempts.take({"a": NAME}) == pytest.approx(6)
    clock.pass_seconds(6)
    assert attempts.take({"a": NAME}) == 0
    assert attempts.take({"a": NAME}) == pytest.approx(10)


@pytest.mark.parametrize("seconds", [0.1, 0.3, 1 / 3, 7.7])
def test_no_attempt_is_lost_to_rounding(
    attempts: Attempts, clock: FakeClock, seconds: float
) -> None:
    clock.pass_seconds(123456.789)
    for _ in range(10):
        take_all(attempts, "a", Allowance(attempts=50, seconds=seconds))
        clock.pass_seconds(50 * seconds + 0.001)


def test_time_gives_the_whole_allowance_back_and_no_more(
    attempts: Attempts, clock: FakeClock
) -> None:
    take_all(attempts, "a", NAME)
    clock.pass_seconds(1000)
    take_all(attempts, "a", NAME)
    assert attempts.take({"a": NAME}) > 0


def test_who_waits_is_not_made_to_wait_longer_by_asking(
    attempts: Attempts, clock: FakeClock
) -> None:
    take_all(attempts, "a", NAME)
    for _ in range(100):
        attempts.take({"a": NAME})
    clock.pass_seconds(10)
    assert attempts.take({"a": NAME}) == 0


def test_keys_are_apart(attempts: Attempts) -> None:
    take_all(attempts, "a", NAME)
    assert attempts.take({"b": NAME}) == 0


def test_key_that_has_to_wait_costs_the_others_nothing(attempts: Attempts) -> None:
    take_all(attempts, "a", NAME)
    for _ in range(10):
        assert attempts.take({"a": NAME, "from": ADDRESS}) > 0
    take_all(attempts, "from", ADDRESS)
    assert attempts.take({"b": NAME, "from": ADDRESS}) == pytest.approx(2)


def test_attempt_that_did_not_fail_does_not_count(attempts: Attempts) -> None:
    take_all(attempts, "a", NAME)
    attempts.give_back("a", NAME)
    assert attempts.take({"a": NAME}) == 0
    assert attempts.take({"a": NAME}) > 0
    attempts.forget("a")
    take_all(attempts, "a", NAME)
    attempts.give_back("unknown", NAME)


def test_memory_is_bounded_and_the_oldest_goes_first(clock: FakeClock) -> None:
    attempts = Attempts(clock=clock, capacity=100)
    take_all(attempts, "old", NAME)
    for number in range(1000):
        attempts.take({str(number): NAME})
        if number < 500:
            # What is still tried stays.
            attempts.give_back("kept", NAME)
            attempts.take({"kept": NAME})
    assert len(attempts) == 100
    assert attempts.take({"old": NAME}) == 0


def test_threads_at_once_get_no_more_than_the_allowance(attempts: Attempts) -> None:
    admitted: list[float] = []
    start = threading.Barrier(8)

    def guess() -> None:
        start.wait()
        for _ in range(50):
            if attempts.take({"a": NAME}) == 0:
                admitted.append(0)

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == NAME.attempts
