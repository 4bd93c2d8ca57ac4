"""How fast and how long a simulation runs, and how it is stopped."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from trading.simulation.quotes import Bar


def paced(
    market: Iterable[Bar],
    *,
    stop: threading.Event,
    seconds_a_bar: float = 0.0,
    most_bars: int | None = None,
    most_seconds: float | None = None,
) -> Iterator[Bar]:
    """The market's bars at this pace, until it ends, enough have passed, or `stop` is set."""
    began = time.monotonic()
    for count, bar in enumerate(market):
        is_over = most_seconds is not None and time.monotonic() - began >= most_seconds
        if stop.is_set() or is_over or count == most_bars:
            return
        yield bar
        due = began + (count + 1) * seconds_a_bar
        if most_seconds is not None:
            due = min(due, began + most_seconds)
        if seconds_a_bar:
            stop.wait(max(0.0, due - time.monotonic()))


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second signal does what it usually does."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    def request_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        restore()

    for number in usual:
        signal.signal(number, request_stop)
    try:
        yield stop
    finally:
        restore()
