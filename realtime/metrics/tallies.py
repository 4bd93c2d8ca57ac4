"""Counts of the hot path: plain numbers that the event loop alone raises, read by any thread.

The library's counters take a lock for each step, which a delivery to a thousand clients would feel.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from realtime.frames import Frame

# Close together around the goals: 40 ms for one half of the deliveries, 120 ms for nearly all.
LATENCY_SECONDS = (
    *(0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.12, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0),
)


class Latencies:
    """A histogram of the time between events' writing and their handing over."""

    def __init__(self, bounds: Sequence[float] = LATENCY_SECONDS) -> None:
        self.bounds = bounds
        # One more than bounds: what is above the last.
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, timestamps: Iterable[str], *, now: float) -> None:
        """Take events written at `timestamps`, as the wire has them, and handed over at `now`.

        A writer's clock may be ahead of ours: what comes before it was written took no time.
        """
        last, seconds = "", 0.0
        for timestamp in timestamps:
            # Events of one statement share their moment.
            if timestamp != last:
                last = timestamp
                seconds = max(0.0, now - datetime.fromisoformat(timestamp).timestamp())
            self.counts[bisect_left(self.bounds, seconds)] += 1
            self.sum += seconds


@dataclass(slots=True)
class Snapshots:
    """Snapshots that were written to the end, and the bytes of all parts that were written."""

    sent: int = 0
    bytes: int = 0


# By the feed.
events_sent: defaultdict[str, int] = defaultdict(int)
bytes_sent: defaultdict[str, int] = defaultdict(int)
# By the reason.
events_dropped: defaultdict[str, int] = defaultdict(int)
snapshots = Snapshots()
commit_to_send = Latencies()


def count_sent(frames: Iterable[Frame], *, clients: int) -> None:
    """Count events that each of `clients` connections was given."""
    for frame in frames:
        feed = frame.feed
        events_sent[feed] += clients
        bytes_sent[feed] += clients * frame.size


def count_dropped(frames: Iterable[Frame], *, reason: str) -> None:
    """Count the events among `frames` that a connection was given and that were not written."""
    events_dropped[reason] += sum(1 for frame in frames if frame.seq)
