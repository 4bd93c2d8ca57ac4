"""How late events were: from the moment that the writer knew of its commit to a client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median

from tests.faults.support.crowd import Watcher
from tests.faults.support.outages import Period
from tests.faults.support.verdict import marks_of


@dataclass(frozen=True)
class Delays:
    """Of the commits of a period, as one client saw them."""

    commits: int
    median_seconds: float
    worst_seconds: float

    def as_dict(self) -> dict[str, float]:
        """By name, for the record."""
        return asdict(self)


def measure_delays(watcher: Watcher, noted: Mapping[str, float], period: Period) -> Delays:
    """How late `watcher` had each commit that was noted in the period."""
    arrived: dict[str, float] = {}
    for event in watcher.events:
        for mark in marks_of(event):
            # A mark stays on its object: later events of it carry it, too.
            arrived.setdefault(mark, watcher.arrived[event["seq"]])
    late = [
        arrived[mark] - moment
        for mark, moment in noted.items()
        if period.since < moment < period.until
    ]
    return Delays(len(late), round(median(late), 3), round(max(late), 3))
