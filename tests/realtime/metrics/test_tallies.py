"""What is counted on the hot path: sent is written, dropped or still waiting, and nothing else."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import metrics
from realtime.delivery import Delivery, ResyncReason
from realtime.frames import Frame
from realtime.live_state import Snapshot
from realtime.metrics.tallies import Latencies
from realtime.timestamps import isoformat
from tests.realtime.fakes import FakeClock, FakeOutlet, fixed_timestamp

BUDGET = 4096
FRAME = Frame(b"x" * 500, seq=1, key=("price", "BTC"))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(1, 6)),
        st.tuples(st.just("room"), st.integers(0, 5000)),
        st.just(("block", 0)),
        st.just(("resync", 0)),
    ),
    max_size=30,
)


def dropped() -> int:
    return sum(metrics.events_dropped.values())


def waiting(delivery: Delivery) -> int:
    return sum(1 for frame in delivery._waiting_frames() if frame.seq)


@given(STEPS)
def test_event_that_a_connection_was_given_is_written_or_dropped_or_waits(
    steps: list[tuple[str, int]],
) -> None:
    outlet, before, given_ = FakeOutlet(), dropped(), 0
    delivery = Delivery(
        outlet,
        budget_bytes=BUDGET,
        take_snapshot=lambda lost: Snapshot("s", 1, ({"price": []},), lost),
        timestamp=fixed_timestamp,
        clock=FakeClock(),
    )
    for step, number in steps:
        match step:
            case "push":
                given_ += number
                delivery.push([FRAME] * number)
            case "room":
                outlet.make_room(number)
            case "block":
                outlet.block()
            case "resync":
                delivery.resync(ResyncReason.NEW_STREAM)
    written = sum(1 for frame in outlet.frames if frame.seq)
    assert given_ == written + dropped() - before + waiting(delivery)
    delivery.stop()
    assert given_ == written + dropped() - before


def test_sent_is_counted_for_each_client_by_feed() -> None:
    events, size = metrics.events_sent["price"], metrics.bytes_sent["price"]
    notice = Frame(b"y" * 10, seq=2, tail_feed="notice")
    notices = metrics.events_sent["notice"]
    metrics.count_sent([FRAME, FRAME, notice], clients=1000)
    assert metrics.events_sent["price"] - events == 2000
    assert metrics.bytes_sent["price"] - size == 2000 * FRAME.size
    assert metrics.events_sent["notice"] - notices == 1000


NOW = time.time()


def at(seconds_ago: float) -> str:
    return isoformat(datetime.fromtimestamp(NOW - seconds_ago, UTC))


@pytest.mark.parametrize(("seconds_ago", "bucket"), [(0.001, 0), (0.05, 2), (5.0, 3), (-60.0, 0)])
def test_latency_falls_into_its_bucket_and_is_never_negative(
    seconds_ago: float, bucket: int
) -> None:
    latencies = Latencies(bounds=(0.01, 0.04, 0.12))
    latencies.observe([at(seconds_ago)] * 3, now=NOW)
    assert latencies.counts == [3 if index == bucket else 0 for index in range(4)]
    assert latencies.sum == pytest.approx(3 * max(0.0, seconds_ago), abs=0.005)


def test_each_moment_counts_for_itself() -> None:
    latencies = Latencies(bounds=(1.0, 10.0))
    latencies.observe([at(0.5), at(0.5), at(5.0), at(50.0)], now=NOW)
    assert latencies.counts == [2, 1, 1]
