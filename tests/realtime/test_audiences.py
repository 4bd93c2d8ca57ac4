"""Audiences: what many clients want alike is matched, encoded and snapshotted once for all."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from realtime import messages
from realtime.audiences import Audiences
from realtime.delivery import Delivery
from realtime.frames import Frame
from realtime.live_state import LiveState
from realtime.members import Member
from realtime.recent import EncodedEvent
from realtime.subscriptions import FeedSubscription, field_values, make_subscription
from tests.realtime.fakes import FakeClock, FakeOutlet, fixed_timestamp, logged

pytestmark = pytest.mark.usefixtures("own_feeds")

CLIENTS = 1000
DISTINCT = 10
BUDGET_BYTES = 1024 * 1024


def make_member(number: int) -> tuple[Member, FakeOutlet]:
    """A client that wants one of ten instruments and the unfiltered notices."""
    outlet = FakeOutlet()
    wanted = field_values({"instrument": [f"I{number % DISTINCT}"]})
    member = Member(
        connection_id=f"c-{number}",
        user_key="user:1",
        delivery=Delivery(
            outlet,
            budget_bytes=BUDGET_BYTES,
            take_snapshot=lambda dropped: pytest.fail("nobody is slow"),
            timestamp=fixed_timestamp,
            clock=FakeClock(),
        ),
        subscription=make_subscription(
            [FeedSubscription("price", wanted), FeedSubscription("notice")]
        ),
        on_access_changed=lambda: None,
    )
    return member, outlet


@pytest.fixture
def encodings(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a message was made ready, by type."""
    counted: Counter[str] = Counter()

    def count(name: str) -> None:
        make = getattr(messages, name)

        def make_and_count(*args: Any, **kwargs: Any) -> Frame:
            counted[name] += 1
            made: Frame = make(*args, **kwargs)
            return made

        monkeypatch.setattr(messages, name, make_and_count)

    for name in ("event", "left", "snapshot_part"):
        count(name)
    return counted


def test_thousand_clients_with_ten_subscriptions_cost_one_encoding_an_event(
    encodings: Counter[str],
) -> None:
    audiences = Audiences()
    outlets = []
    for number in range(CLIENTS):
        member, outlet = make_member(number)
        audiences.enter(member)
        outlets.append(outlet)
    assert len(list(audiences)) == DISTINCT
    moved = logged(3, key="I2", data={"instrument": "I2"}, was={"instrument": "I1"})
    events = [
        EncodedEvent(event)
        for event in (logged(1, key="I1"), logged(2, feed="notice", key=""), moved)
    ]
    for audience in audiences:
        audience.send(events)
    # At most once for each subscription is what is promised; one frame serves all of them.
    assert encodings == {"event": 3, "left": 1}
    assert len({id(frame) for outlet in outlets for frame in outlet.frames}) == 4
    seen = Counter(tuple(frame.seq for frame in outlet.frames) for outlet in outlets)
    assert seen == {(1, 2, 3): 100, (2, 3): 100, (2,): 800}


def test_snapshot_is_encoded_once_for_an_audience_and_number(encodings: Counter[str]) -> None:
    audiences = Audiences()
    members = [make_member(number)[0] for number in range(0, CLIENTS, DISTINCT)]
    for member in members:
        audiences.enter(member)
    state = LiveState()
    state.apply(logged(1, key="I0"), {"instrument": "I0"})
    made = {id(audiences.of(member).snapshot(state, stream="s", seq=1)) for member in members}
    assert len(made) == 1
    assert audiences.of(members[0]).snapshot(state, stream="s", seq=2).seq == 2
