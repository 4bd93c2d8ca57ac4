"""The protocol of one connection, without a connection."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.auth.grants import Grants
from realtime.conf import conf
from realtime.parameters import MAXIMUM_FILTER_VALUES
from realtime.session import (
    LONGEST_ID,
    Authenticate,
    Close,
    Effect,
    Reply,
    Resubscribe,
    SendSnapshot,
    Session,
)
from realtime.subscriptions import field_values, make_subscription
from tests.realtime.fakes import TIMESTAMP, FakeClock, fixed_timestamp, parsed


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def session(grants: Grants, clock: FakeClock) -> Session:
    subscription = make_subscription([grants.subscription("price")])
    return Session(grants=grants, subscription=subscription, timestamp=fixed_timestamp, clock=clock)


def send(session: Session, **command: Any) -> Effect:
    """What the session does with one command: exactly one effect."""
    (effect,) = session.receive_text(json.dumps(command))
    return effect


def error_of(effect: Effect) -> dict[str, Any]:
    assert isinstance(effect, Reply)
    message = parsed(effect.frame)
    assert message["type"] == "error"
    assert message["fatal"] is False
    assert message["message"]
    return message


def test_ping_is_answered_with_its_id(session: Session) -> None:
    effect = send(session, action="ping", id=8)
    assert isinstance(effect, Reply)
    assert parsed(effect.frame) == {"type": "pong", "timestamp": TIMESTAMP, "id": 8}


def test_snapshot_is_asked_for_with_its_id(session: Session) -> None:
    assert send(session, action="snapshot", id="s") == SendSnapshot("s")


@pytest.mark.parametrize(
    ("given_id", "echoed"),
    [
        (7, 7),
        (-1.5, -1.5),
        ("a", "a"),
        ("x" * 500, "x" * LONGEST_ID),
        (None, None),
        ([1], None),
        ({"a": 1}, None),
    ],
)
def test_id_is_echoed_when_it_is_a_number_or_a_short_text(
    session: Session, given_id: Any, echoed: Any
) -> None:
    assert send(session, action="snapshot", id=given_id) == SendSnapshot(echoed)


def test_binary_frame_closes_with_1003(session: Session) -> None:
    (effect,) = session.receive_bytes()
    assert isinstance(effect, Close)
    assert effect.code == 1003


@pytest.mark.parametrize("text", ["", "{", "nonsense", "[" * 5000, "NaN", "[]", "7", '"ping"'])
def test_what_is_no_json_object_is_refused_and_the_connection_goes_on(
    session: Session, text: str
) -> None:
    (effect,) = session.receive_text(text)
    assert error_of(effect)["code"] == "invalid_json"
    assert isinstance(send(session, action="ping"), Reply)


@pytest.mark.parametrize("action", [None, 7, [], {}, "", "Ping", "explode"])
def test_unknown_action_is_refused_with_the_known_ones(session: Session, action: Any) -> None:
    error = error_of(send(session, action=action, id=9))
    assert error["code"] == "unknown_action"
    assert error["id"] == 9
    for known in ("ping", "snapshot", "subscribe", "unsubscribe"):
        assert known in error["message"]


def test_subscribe_adds_a_feed_and_asks_for_its_snapshot(session: Session, grants: Grants) -> None:
    effect = send(session, action="subscribe", id=7, feeds=["notice"])
    wanted = make_subscription([grants.subscription("price"), grants.subscription("notice")])
    assert effect == Resubscribe(7, wanted, ("notice",))
    assert session.subscription == wanted


def test_subscribe_sets_filters_within_the_scope(session: Session, grants: Grants) -> None:
    filters = {"price": {"instrument": ["BTC", "ETH"]}}
    effect = send(session, action="subscribe", feeds=["price"], filters=filters)
    chosen = field_values({"instrument": ["BTC", "ETH"]})
    wanted = make_subscription([grants.subscription("price", chosen)])
    assert effect == Resubscribe(None, wanted, ("price",))
    assert wanted.feeds[0].scope == grants.scopes["price"]


def test_subscribe_takes_the_feeds_from_the_filters(session: Session) -> None:
    effect = send(session, action="subscribe", filters={"notice": {"level": ["ERROR"]}})
    assert isinstance(effect, Resubscribe)
    assert effect.changed == ("notice",)
    assert effect.subscription.filters() == {"notice": {"level": ["ERROR"]}}


def test_subscribe_without_filters_lifts_those_that_held(session: Session) -> None:
    send(session, action="subscribe", filters={"price": {"instrument": ["BTC"]}})
    effect = send(session, action="subscribe", feeds=["price"])
    assert isinstance(effect, Resubscribe)
    assert effect.changed == ("price",)
    assert effect.subscription.filters() == {}


def test_subscribing_again_alike_needs_no_snapshot(session: Session) -> None:
    before = session.subscription
    assert send(session, action="subscribe", feeds=["price"]) == Resubscribe(None, before, ())


def test_filters_that_are_null_are_none(session: Session) -> None:
    effect = send(session, action="subscribe", feeds=["notice"], filters=None)
    assert isinstance(effect, Resubscribe)
    assert effect.subscription.filters() == {}


def test_max_rate_is_set_kept_and_lifted(session: Session) -> None:
    effect = send(session, action="subscribe", max_rate=2)
    assert isinstance(effect, Resubscribe)
    assert (effect.subscription.max_rate, effect.changed) == (2.0, ())
    effect = send(session, action="subscribe", feeds=["notice"])
    assert isinstance(effect, Resubscribe)
    assert effect.subscription.max_rate == 2.0
    effect = send(session, action="subscribe", max_rate=None)
    assert isinstance(effect, Resubscribe)
    assert effect.subscription.max_rate is None


def test_unsubscribe_removes_a_feed_without_a_snapshot(session: Session) -> None:
    send(session, action="subscribe", feeds=["notice"])
    effect = send(session, action="unsubscribe", id=7, feeds=["price"])
    assert isinstance(effect, Resubscribe)
    assert effect.subscription.names == ("notice",)
    assert effect.changed == ()
    assert session.subscription == effect.subscription


def test_unsubscribing_what_is_not_subscribed_is_answered(session: Session) -> None:
    before = session.subscription
    effect = send(session, action="unsubscribe", id=7, feeds=["notice", "notice"])
    assert effect == Resubscribe(7, before, ())


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"feeds": ["nothing"]}, "unknown_feed"),
        ({"feeds": ["secret"]}, "permission_denied"),
        ({"feeds": "price"}, "invalid_value"),
        ({"feeds": [7]}, "invalid_value"),
        ({"feeds": ["price"] * 14}, "invalid_value"),
        ({"filters": []}, None),
        ({"filters": [1]}, "invalid_value"),
        ({"filters": "price"}, "invalid_value"),
        ({"filters": {"price": "BTC"}}, "invalid_value"),
        ({"filters": {"price": {"colour": ["red"]}}}, "unknown_filter"),
        ({"filters": {"secret": {}}}, "permission_denied"),
        ({"filters": {"nothing": {}}}, "unknown_feed"),
        ({"filters": {"price": {"venue": "north"}}}, "invalid_value"),
        ({"filters": {"price": {"venue": []}}}, "invalid_value"),
        ({"filters": {"price": {"venue": [1]}}}, "invalid_value"),
        (
            {"filters": {"price": {"venue": [str(n) for n in range(MAXIMUM_FILTER_VALUES + 1)]}}},
            "invalid_value",
        ),
        ({"feeds": ["price"], "filters": {"secret": {}}}, "invalid_value"),
        ({"max_rate": 0}, "invalid_value"),
        ({"max_rate": True}, "invalid_value"),
        ({"max_rate": [2]}, "invalid_value"),
    ],
)
def test_bad_subscribe_changes_nothing(
    session: Session, command: dict[str, Any], code: str | None
) -> None:
    before = session.subscription
    effect = send(session, action="subscribe", id=7, **command)
    if code is None:
        assert effect == Resubscribe(7, before, ())
    else:
        error = error_of(effect)
        assert (error["code"], error["id"]) == (code, 7)
    assert session.subscription == before


@pytest.mark.parametrize(
    ("feeds", "code"), [(["nothing"], "unknown_feed"), ("price", "invalid_value")]
)
def test_bad_unsubscribe_changes_nothing(session: Session, feeds: Any, code: str) -> None:
    before = session.subscription
    assert error_of(send(session, action="unsubscribe", feeds=feeds))["code"] == code
    assert session.subscription == before


def test_refusal_of_a_feed_without_filters_says_so(session: Session, grants: Grants) -> None:
    session.grants = replace(grants, scopes={"secret": ()})
    error = error_of(send(session, action="subscribe", filters={"secret": {"code": ["1"]}}))
    assert error["code"] == "unknown_filter"
    assert "none" in error["message"]


def test_more_commands_than_a_second_may_hold_close_the_connection(
    session: Session, clock: FakeClock
) -> None:
    for _ in range(conf().commands_per_second):
        assert isinstance(send(session, action="ping"), Reply)
        clock.pass_seconds(0.01)
    effect = send(session, action="ping")
    assert isinstance(effect, Close)
    assert (effect.code, effect.reason) == (1008, "rate_limited")
    assert effect.last is not None
    error = parsed(effect.last)
    assert (error["code"], error["fatal"]) == ("rate_limited", True)


def test_as_many_commands_as_a_second_may_hold_are_fine_for_ever(
    session: Session, clock: FakeClock
) -> None:
    limit = conf().commands_per_second
    for _ in range(5 * limit):
        assert isinstance(send(session, action="ping"), Reply)
        clock.pass_seconds(1.001 / limit)


def test_bad_commands_count_against_the_rate(session: Session, clock: FakeClock) -> None:
    for _ in range(conf().commands_per_second):
        send(session, action="ping")
    (effect,) = session.receive_text("not json")
    assert isinstance(effect, Close)
    assert effect.reason == "rate_limited"


def test_too_many_bad_commands_close_the_connection(session: Session, clock: FakeClock) -> None:
    limit = conf().max_bad_commands
    for _ in range(limit - 1):
        error_of(send(session, action="nonsense"))
        clock.pass_seconds(1)
        send(session, action="ping")
        clock.pass_seconds(1)
    effect = send(session, action="nonsense")
    assert isinstance(effect, Close)
    assert (effect.code, effect.reason) == (1008, "too_many_errors")
    assert effect.last is not None
    assert parsed(effect.last)["fatal"] is True


def test_message_over_the_limit_closes_with_1009(session: Session) -> None:
    largest = conf().max_message_bytes
    text = json.dumps({"action": "ping", "id": "é"}, ensure_ascii=False)
    fits = text + " " * (largest - len(text.encode()))
    assert isinstance(session.receive_text(fits)[0], Reply)
    (effect,) = session.receive_text(fits + " ")
    assert isinstance(effect, Close)
    assert (effect.code, effect.last) == (1009, None)


# Access that changes.


def test_same_access_changes_nothing(session: Session, grants: Grants) -> None:
    before = session.subscription
    assert session.regrant(grants) == []
    assert session.subscription is before


def test_lost_feed_ends_with_a_note(session: Session, grants: Grants) -> None:
    send(session, action="subscribe", feeds=["notice"])
    note, change = session.regrant(replace(grants, scopes={"notice": ()}))
    error = error_of(note)
    assert error["code"] == "permission_denied"
    assert "price" in error["message"]
    assert isinstance(change, Resubscribe)
    assert (change.id, change.changed) == (None, ())
    assert session.subscription.names == ("notice",)
    effect = send(session, action="subscribe", feeds=["price"])
    assert error_of(effect)["code"] == "permission_denied"


def test_narrower_scope_takes_a_snapshot_and_keeps_the_filters(
    session: Session, grants: Grants
) -> None:
    send(session, action="subscribe", filters={"price": {"instrument": ["BTC"]}})
    narrow = field_values({"venue": ["north"]})
    (change,) = session.regrant(replace(grants, scopes={"price": narrow, "notice": ()}))
    assert isinstance(change, Resubscribe)
    assert change.changed == ("price",)
    (feed,) = session.subscription.feeds
    assert feed.scope == narrow
    assert feed.filters == field_values({"instrument": ["BTC"]})


def test_feed_that_is_won_may_be_subscribed_and_is_not_by_itself(
    session: Session, grants: Grants
) -> None:
    assert session.regrant(replace(grants, scopes={**grants.scopes, "secret": ()})) == []
    effect = send(session, action="subscribe", feeds=["secret"])
    assert isinstance(effect, Resubscribe)
    assert effect.changed == ("secret",)


def test_user_who_may_see_nothing_any_more_is_closed(session: Session) -> None:
    (effect,) = session.refuse("permission_denied", "No.")
    assert isinstance(effect, Close)
    assert (effect.code, effect.reason) == (1008, "permission_denied")
    assert effect.last is not None
    assert parsed(effect.last)["fatal"] is True


def test_user_of_whom_nothing_is_known_may_come_back(session: Session) -> None:
    (effect,) = session.refuse("unavailable", "Later.", close_code=1013)
    assert isinstance(effect, Close)
    assert (effect.code, effect.reason) == (1013, "unavailable")


# Credentials that are swapped, and end.

END = datetime(2024, 1, 15, 10, 45, tzinfo=UTC)
END_TEXT = "2024-01-15T10:45:00.000Z"


def test_credential_is_given_to_be_checked(session: Session) -> None:
    effect = send(session, action="authenticate", id=7, token="SECRET")
    assert effect == Authenticate(7, "SECRET")
    assert "SECRET" not in repr(effect)


@pytest.mark.parametrize("token", [None, "", 7, ["x"], {}])
def test_credential_that_is_no_text_is_refused(session: Session, token: Any) -> None:
    assert error_of(send(session, action="authenticate", id=7, token=token))["code"] == (
        "invalid_value"
    )


def test_credential_of_the_same_user_is_taken_and_answered(
    session: Session, grants: Grants
) -> None:
    (effect,) = session.renew(replace(grants, expires_at=END), id=7)
    assert isinstance(effect, Reply)
    assert parsed(effect.frame) == {
        "type": "authenticated",
        "timestamp": TIMESTAMP,
        "id": 7,
        "user": "operator",
        "expires_at": END_TEXT,
    }
    assert session.grants.expires_at == END


def test_credential_without_an_end_says_so(session: Session, grants: Grants) -> None:
    (effect,) = session.renew(grants, id=None)
    assert isinstance(effect, Reply)
    assert parsed(effect.frame)["expires_at"] is None


def test_credential_brings_what_its_user_may_see_by_now(session: Session, grants: Grants) -> None:
    narrow = {"price": field_values({"venue": ["north"]})}
    answer, change = session.renew(replace(grants, scopes=narrow), id=7)
    assert isinstance(answer, Reply)
    assert isinstance(change, Resubscribe)
    assert change.changed == ("price",)


def test_credential_of_another_user_is_refused_and_the_old_one_holds(
    session: Session, grants: Grants
) -> None:
    (effect,) = session.renew(replace(grants, user_name="other", user_key="user:2"), id=7)
    error = error_of(effect)
    assert (error["code"], error["id"], error["fatal"]) == ("permission_denied", 7, False)
    assert session.grants is grants


def test_credentials_that_fail_count_as_bad_commands(session: Session, clock: FakeClock) -> None:
    for _ in range(conf().max_bad_commands - 1):
        (effect,) = session.refuse_credential("invalid_token", "No.", id=7)
        error = error_of(effect)
        assert (error["code"], error["id"], error["fatal"]) == ("invalid_token", 7, False)
    (effect,) = session.refuse_credential("invalid_token", "No.", id=7)
    assert isinstance(effect, Close)
    assert effect.reason == "too_many_errors"


def test_credential_that_cannot_be_checked_is_nobodys_fault(session: Session) -> None:
    for _ in range(2 * conf().max_bad_commands):
        (effect,) = session.postpone_credential("unavailable", "Later.", id=7)
        assert error_of(effect)["code"] == "unavailable"


def test_end_of_the_credential_is_announced_and_closes(session: Session) -> None:
    (warning,) = session.warn(END)
    assert isinstance(warning, Reply)
    assert parsed(warning.frame) == {
        "type": "token_expiring",
        "timestamp": TIMESTAMP,
        "expires_at": END_TEXT,
    }
    (effect,) = session.expire()
    assert isinstance(effect, Close)
    assert (effect.code, effect.reason) == (1008, "token_expired")
    assert effect.last is not None
    assert parsed(effect.last)["fatal"] is True


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)
almost_valid = st.fixed_dictionaries(
    {
        "action": st.sampled_from(["ping", "snapshot", "subscribe", "unsubscribe", "authenticate"])
        | anything
    },
    optional={
        "token": anything,
        "id": anything,
        "feeds": st.lists(st.sampled_from(["price", "notice", "secret", "no"]) | anything)
        | anything,
        "filters": st.dictionaries(
            st.sampled_from(["price", "notice", "secret", "no"]),
            st.dictionaries(st.sampled_from(["venue", "level", "no"]), anything) | anything,
        )
        | anything,
        "max_rate": st.floats() | anything,
    },
).map(json.dumps)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(texts=st.lists(almost_valid | st.text() | anything.map(json.dumps), max_size=8))
def test_whatever_a_client_says_is_answered_and_never_raises(
    grants: Grants, texts: list[str]
) -> None:
    session = Session(
        grants=grants,
        subscription=make_subscription([grants.subscription("price")]),
        timestamp=fixed_timestamp,
        clock=FakeClock(),
    )
    for text in texts:
        (effect,) = session.receive_text(text)
        if isinstance(effect, Reply):
            parsed(effect.frame)
        elif isinstance(effect, Resubscribe):
            assert set(effect.changed) <= set(effect.subscription.names) <= {"price", "notice"}
            effect.subscription.digest()
