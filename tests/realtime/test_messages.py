"""The messages are those of the protocol: their fields, their types, their examples."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime import messages
from realtime.log import Action
from realtime.messages import ResumeOutcome, ResumeReason
from realtime.subscriptions import FeedSubscription, field_values, make_subscription
from tests.realtime.fakes import TIMESTAMP, logged, parsed

pytestmark = pytest.mark.usefixtures("own_feeds")


def established(**changes: Any) -> dict[str, Any]:
    filters = field_values({"instrument": ["BTC/USDT"]})
    values: dict[str, Any] = {
        "timestamp": TIMESTAMP,
        "service_name": "Stable Cash & Carry",
        "connection_id": "c-7f3a",
        "user": "operator",
        "stream": "9f2c41d0",
        "seq": 1041,
        "subscription": make_subscription(
            [FeedSubscription("price", filters), FeedSubscription("notice")]
        ),
        "outcome": ResumeOutcome.SNAPSHOT,
        "reason": None,
        "heartbeat_seconds": 5.0,
    }
    return parsed(messages.established(**values | changes))


def test_greeting_is_that_of_the_protocol() -> None:
    message = established()
    digest = message.pop("subscription")
    assert isinstance(digest, str)
    assert digest
    assert message == {
        "type": "connection_established",
        "timestamp": TIMESTAMP,
        "message": "Connected to Stable Cash & Carry WebSocket server",
        "protocol": 1,
        "connection_id": "c-7f3a",
        "user": "operator",
        "stream": "9f2c41d0",
        "seq": 1041,
        "resume": "snapshot",
        "feeds": ["price", "notice"],
        "keys": {"price": "instrument", "notice": None},
        "filters": {"price": {"instrument": ["BTC/USDT"]}},
        "max_rate": None,
        "heartbeat_seconds": 5,
    }
    assert isinstance(message["heartbeat_seconds"], int)


def test_greeting_names_the_reason_of_a_refused_resume() -> None:
    message = established(reason=ResumeReason.HISTORY_EXPIRED, heartbeat_seconds=0.5)
    assert message["resume_reason"] == "history_expired"
    assert message["heartbeat_seconds"] == 0.5


def test_outcomes_and_reasons_are_the_words_of_the_protocol() -> None:
    assert {outcome.value for outcome in ResumeOutcome} == {"live", "replay", "snapshot"}
    assert {reason.value for reason in ResumeReason} == {
        "history_expired",
        "unknown_stream",
        "ahead_of_stream",
        "subscription_changed",
    }


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.LEFT])
def test_event_holds_its_data_as_the_log_does(action: Action) -> None:
    data = {"instrument": "BTC", "bid": "45000.00", "note": "é"}
    frame = messages.event(logged(1042, action=action, data=data), tail_feed=None)
    assert parsed(frame) == {
        "type": "price",
        "timestamp": TIMESTAMP,
        "seq": 1042,
        "event": 6042,
        "action": action.value,
        "data": data,
    }
    assert (frame.seq, frame.key, frame.tail_feed) == (1042, ("price", "BTC"), None)


def test_event_without_a_key_has_none_to_be_replaced_by() -> None:
    frame = messages.event(logged(1, feed="notice", key=""), tail_feed="notice")
    assert (frame.key, frame.tail_feed) == (None, "notice")


def test_left_holds_the_key_alone() -> None:
    frame = messages.left(logged(1042), key_field="instrument", key="BTC")
    assert parsed(frame) == {
        "type": "price",
        "timestamp": TIMESTAMP,
        "seq": 1042,
        "event": 6042,
        "action": "left",
        "data": {"instrument": "BTC"},
    }
    assert (frame.seq, frame.key) == (1042, ("price", "BTC"))


def test_snapshot_part_joins_ready_made_objects() -> None:
    body = messages.feed_body({"price": [b'{"a":1}', b'{"a":2}'], "notice": []})
    frame = messages.snapshot_part(
        body, timestamp=TIMESTAMP, stream="s", seq=7, part=1, parts=2, dropped={"notice": 3}
    )
    assert parsed(frame) == {
        "type": "snapshot",
        "timestamp": TIMESTAMP,
        "stream": "s",
        "seq": 7,
        "part": 1,
        "parts": 2,
        "dropped": {"notice": 3},
        "data": {"price": [{"a": 1}, {"a": 2}], "notice": []},
    }
    # It is no event: a resync never takes it for an answer by its number.
    assert frame.seq == 0


def test_body_without_feeds_is_an_empty_object() -> None:
    assert json.loads(messages.feed_body({})) == {}


def test_heartbeat_tells_of_a_delay_only_when_there_is_one() -> None:
    plain = messages.heartbeat(timestamp=TIMESTAMP, seq=1042)
    assert parsed(plain) == {"type": "heartbeat", "timestamp": TIMESTAMP, "seq": 1042}
    delayed = messages.heartbeat(timestamp=TIMESTAMP, seq=1042, delayed_seconds=12.54)
    assert parsed(delayed)["delayed"] == 12.5


def test_subscribed_shows_the_whole_subscription() -> None:
    subscription = make_subscription([FeedSubscription("notice")], max_rate=2.0)
    frame = messages.subscribed(timestamp=TIMESTAMP, id=7, subscription=subscription, seq=1042)
    assert parsed(frame) == {
        "type": "subscribed",
        "timestamp": TIMESTAMP,
        "id": 7,
        "feeds": ["notice"],
        "filters": {},
        "max_rate": 2.0,
        "subscription": subscription.digest(),
        "seq": 1042,
    }


def test_short_messages_are_those_of_the_protocol() -> None:
    assert parsed(messages.pong(timestamp=TIMESTAMP, id=8)) == {
        "type": "pong",
        "timestamp": TIMESTAMP,
        "id": 8,
    }
    assert parsed(messages.error(timestamp=TIMESTAMP, code="unknown_feed", text="No.", id=9)) == {
        "type": "error",
        "timestamp": TIMESTAMP,
        "id": 9,
        "code": "unknown_feed",
        "message": "No.",
        "fatal": False,
    }
    assert parsed(messages.server_closing(timestamp=TIMESTAMP, reconnect_after=2.4321)) == {
        "type": "server_closing",
        "timestamp": TIMESTAMP,
        "reconnect_after": 2.4,
    }
