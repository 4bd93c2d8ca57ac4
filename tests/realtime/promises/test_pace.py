"""`max_rate`: the newest event of each key, in the order of the stream, and an honest heartbeat."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from realtime import messages
from realtime.delivery import Delivery
from realtime.frames import Frame
from realtime.live_state import Snapshot
from realtime.members import Member
from realtime.pacing import Pace, newest_of_each_key
from realtime.subscriptions import FeedSubscription, make_subscription
from tests.realtime.fakes import TIMESTAMP, FakeClock, FakeOutlet, fixed_timestamp

RATE = 2.0
BUDGET_BYTES = 1000


class Timer:
    """A timer that rings when the test says so."""

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._callback: Callable[[], None] = lambda: None

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Any:
        self.seconds, self._callback = seconds, callback
        return self

    def cancel(self) -> None:
        self.seconds = None

    def ring(self) -> None:
        self._callback()


class Paced:
    """A pace of two flushes a second, and what it flushed."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.timer = Timer()
        self.flushes: list[list[int]] = []
        self.pace = Pace(
            RATE,
            budget_bytes=BUDGET_BYTES,
            flush=self._flush,
            clock=self.clock,
            call_later=self.timer.call_later,
        )

    def _flush(self, frames: Sequence[Frame]) -> None:
        self.flushes.append([frame.seq for frame in frames])


@pytest.fixture
def paced() -> Paced:
    return Paced()


def event(seq: int, key: str = "") -> Frame:
    return Frame(json.dumps({"seq": seq}).encode(), seq=seq, key=("price", key) if key else None)


def test_only_the_newest_event_of_each_key_survives_in_the_order_of_the_stream(
    paced: Paced,
) -> None:
    paced.pace.push([event(1, "BTC")])
    paced.pace.push([event(2, "BTC"), event(3, "ETH")])
    paced.pace.push([event(4), event(5, "BTC"), event(6)])
    assert paced.flushes == [[1]]
    paced.timer.ring()
    assert paced.flushes == [[1], [3, 4, 5, 6]]


def test_messages_without_a_key_go_before_their_time_when_too_many_are_held(paced: Paced) -> None:
    paced.pace.push([event(1)])
    many = BUDGET_BYTES // event(2).size + 2
    for seq in range(2, many + 2):
        paced.pace.push([event(seq)])
    assert len(paced.flushes) == 2
    sent = [seq for flush in paced.flushes for seq in flush]
    assert sent == list(range(1, len(sent) + 1))


def test_flushes_keep_their_distance(paced: Paced) -> None:
    paced.pace.push([event(1, "BTC")])
    paced.clock.pass_seconds(0.2)
    paced.pace.push([event(2, "BTC")])
    assert paced.timer.seconds == pytest.approx(0.3)
    paced.clock.pass_seconds(0.3)
    paced.timer.ring()
    assert paced.flushes == [[1], [2]]
    paced.clock.pass_seconds(0.5)
    paced.pace.push([event(3, "BTC")])
    assert paced.flushes == [[1], [2], [3]]


def test_replay_holds_the_newest_of_each_key_in_the_order_of_the_stream() -> None:
    frames = [event(1, "BTC"), event(2, "ETH"), event(3), event(4, "BTC"), event(5)]
    assert [frame.seq for frame in newest_of_each_key(frames)] == [2, 3, 4, 5]


@pytest.mark.usefixtures("own_feeds")
async def test_heartbeat_tells_no_number_of_which_an_event_is_held() -> None:
    outlet = FakeOutlet()
    delivery = Delivery(
        outlet,
        budget_bytes=4096,
        take_snapshot=lambda dropped: Snapshot("s", 0, ()),
        timestamp=fixed_timestamp,
        clock=FakeClock(),
    )
    member = Member(
        connection_id="c",
        user_key="user:1",
        delivery=delivery,
        subscription=make_subscription([FeedSubscription("price")], max_rate=0.1),
        on_access_changed=lambda: None,
    )
    member.send([event(1, "BTC")])
    member.send([event(2, "BTC"), event(3, "ETH")])
    member.beat(messages.heartbeat(timestamp=TIMESTAMP, seq=3), timestamp=fixed_timestamp)
    assert [message["seq"] for message in outlet.take_messages()] == [1, 1]
    member.flush()
    member.beat(messages.heartbeat(timestamp=TIMESTAMP, seq=3), timestamp=fixed_timestamp)
    assert [message["seq"] for message in outlet.take_messages()] == [2, 3, 3]
