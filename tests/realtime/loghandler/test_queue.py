"""The queue of log lines: what it takes, what it drops, and that it counts that."""

from __future__ import annotations

import logging
import threading

from realtime.loghandler.queue import BURST_SECONDS, QUIET_SECONDS, Dropped, LogQueue
from tests.realtime.fakes import FakeClock

PLENTY = 1_000_000


def make_queue(clock: FakeClock, *, most_lines: int = PLENTY, rate: float = PLENTY) -> LogQueue:
    return LogQueue(most_lines=most_lines, lines_per_second=rate, clock=clock)


def offer(queue: LogQueue, count: int, *, level: int = logging.INFO) -> int:
    """Log so many lines; returns how many of them were taken."""
    taken = 0
    for number in range(count):
        if queue.admit(level):
            queue.put(str(number))
            taken += 1
    return taken


def test_lines_come_out_in_their_order_and_in_batches() -> None:
    queue = make_queue(FakeClock())
    offer(queue, 5)
    assert queue.take(most=3, timeout_seconds=0) == ["0", "1", "2"]
    assert queue.take(most=3, timeout_seconds=0) == ["3", "4"]
    assert queue.is_empty()
    assert queue.take(most=3, timeout_seconds=0) == []


def test_full_queue_drops_and_counts() -> None:
    queue = make_queue(FakeClock(), most_lines=10)
    assert offer(queue, 100, level=logging.ERROR) == 10
    assert queue.dropped == Dropped(queue_full=90)


def test_rate_is_that_of_the_setting_after_a_burst() -> None:
    clock = FakeClock()
    queue = make_queue(clock, rate=50)
    burst = offer(queue, 10_000, level=logging.ERROR)
    assert burst == 50 * BURST_SECONDS
    taken = 0
    for _ in range(100):
        clock.pass_seconds(0.1)
        taken += offer(queue, 1000, level=logging.ERROR)
    assert taken == 50 * 10
    assert queue.dropped == Dropped(over_rate=10_000 - burst + 100_000 - taken)


def test_pause_gives_no_more_than_the_burst_again() -> None:
    clock = FakeClock()
    queue = make_queue(clock, rate=50)
    offer(queue, 10_000, level=logging.ERROR)
    clock.pass_seconds(3600)
    assert offer(queue, 10_000, level=logging.ERROR) == 50 * BURST_SECONDS


def test_slow_rates_let_a_line_of_information_through() -> None:
    clock = FakeClock()
    queue = make_queue(clock, rate=0.1, most_lines=2)
    assert offer(queue, 10) == 1
    clock.pass_seconds(10)
    queue.take(most=10, timeout_seconds=0)
    assert offer(queue, 10) == 1


def test_storm_of_information_leaves_room_for_errors() -> None:
    clock = FakeClock()
    rated = make_queue(clock, rate=10)
    assert offer(rated, 1000) == 10 * BURST_SECONDS / 2
    assert offer(rated, 1000, level=logging.WARNING) == 10 * BURST_SECONDS / 2
    full = make_queue(clock, most_lines=10)
    assert offer(full, 1000) == 5
    # One place may be taken by what wakes the reader.
    assert offer(full, 1000, level=logging.ERROR) in {4, 5}


def test_drops_are_reported_when_they_are_over_or_go_on() -> None:
    clock = FakeClock()
    queue = make_queue(clock, most_lines=2)
    assert not queue.report_is_due
    offer(queue, 10)
    assert not queue.report_is_due
    clock.pass_seconds(QUIET_SECONDS)
    # What was kept goes first.
    assert not queue.report_is_due
    queue.take(most=10, timeout_seconds=0)
    queue.take(most=10, timeout_seconds=0)
    assert queue.report_is_due
    for _ in range(100):
        offer(queue, 1)
        clock.pass_seconds(QUIET_SECONDS / 2)
    # It is not over, but has gone on for long.
    offer(queue, 1)
    assert queue.report_is_due


def test_what_is_dropped_during_a_report_is_in_the_next() -> None:
    clock = FakeClock()
    queue = make_queue(clock, most_lines=2)
    offer(queue, 10, level=logging.ERROR)
    reported = queue.dropped
    offer(queue, 5, level=logging.ERROR)
    queue.forget(reported)
    assert (reported.total, queue.dropped.total) == (8, 5)
    assert not queue.report_is_due
    clock.pass_seconds(QUIET_SECONDS)
    while not queue.is_empty():
        queue.take(most=10, timeout_seconds=0)
    assert queue.report_is_due


def test_no_drop_is_lost_among_threads() -> None:
    queue = make_queue(FakeClock(), most_lines=2)
    offer(queue, 2, level=logging.ERROR)
    threads = [threading.Thread(target=offer, args=(queue, 500)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queue.dropped.total == 8 * 500


def test_drop_and_wake_let_a_waiting_take_return() -> None:
    queue = make_queue(FakeClock(), most_lines=2)
    queue.count(Dropped(refused=1))
    assert queue.take(most=10, timeout_seconds=60) == []
    queue.wake()
    assert queue.take(most=10, timeout_seconds=60) == []


def test_whoever_logs_while_it_logs_is_not_held_up() -> None:
    """A signal handler or a finalizer logs in the middle of a call by the same thread."""
    queue: LogQueue
    nested: list[bool] = []

    class Interrupting(FakeClock):
        def __call__(self) -> float:
            if threading.current_thread() is thread and not nested:
                nested.append(True)
                nested[0] = queue.admit(logging.ERROR)
            return super().__call__()

    thread = threading.Thread(target=lambda: queue.admit(logging.ERROR), daemon=True)
    queue = make_queue(Interrupting())
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert nested == [True]
