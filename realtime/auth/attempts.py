"""Counts what fails: so many attempts at once, then one at a time. Pure: the clock is injected."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Whoever tries more names than this from as many addresses is forgotten, oldest first.
CAPACITY = 10_000
# Sums of moments are not exact: so little is no wait.
TOLERANCE_SECONDS = 1e-6


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many attempts in a row, and one more after each `seconds`."""

    attempts: int
    seconds: float


class Attempts:
    """What each key has left, in bounded memory; for threads."""

    def __init__(self, *, clock: Callable[[], float], capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._capacity = capacity
        # When a key will have its whole allowance again.
        self._whole_at: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, allowances: Mapping[str, Allowance]) -> float:
        """Count one attempt of every key; where one has none left, count none.

        Returns 0, or the seconds until all have one.
        """
        with self._lock:
            moment = self._clock()
            wait = max(self._wait(key, each, moment) for key, each in allowances.items())
            if wait > TOLERANCE_SECONDS:
                return wait
            for key, each in allowances.items():
                self._set(key, max(moment, self._whole_at.get(key, moment)) + each.seconds)
            return 0.0

    def give_back(self, key: str, allowance: Allowance) -> None:
        """The attempt did not fail: it does not count."""
        with self._lock:
            if key in self._whole_at:
                self._whole_at[key] -= allowance.seconds

    def forget(self, key: str) -> None:
        """Give `key` its whole allowance."""
        with self._lock:
            self._whole_at.pop(key, None)

    def clear(self) -> None:
        """Give everybody the whole allowance: tests do."""
        with self._lock:
            self._whole_at.clear()

    def __len__(self) -> int:
        return len(self._whole_at)

    def _wait(self, key: str, allowance: Allowance, moment: float) -> float:
        debt = max(0.0, self._whole_at.get(key, moment) - moment)
        return debt + allowance.seconds - allowance.attempts * allowance.seconds

    def _set(self, key: str, whole_at: float) -> None:
        self._whole_at[key] = whole_at
        self._whole_at.move_to_end(key)
        if len(self._whole_at) > self._capacity:
            self._whole_at.popitem(last=False)
