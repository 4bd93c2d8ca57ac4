"""The query string of `/ws`: what is wrong in it is reported and left out."""

from __future__ import annotations

import math
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.auth.grants import Grants
from realtime.parameters import (
    MAXIMUM_FILTER_VALUES,
    Problem,
    Request,
    choose_subscription,
    may_subscribe,
    parse_query,
    parse_rate,
)
from realtime.resuming import Resume
from realtime.subscriptions import field_values, make_subscription


def codes(problems: tuple[Problem, ...] | list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


def test_empty_query_asks_for_everything_with_a_snapshot() -> None:
    assert parse_query(b"") == Request()
    assert Request().wants_snapshot


def test_every_parameter_is_read() -> None:
    query = urlencode(
        {
            "token": "KEY",
            "feeds": "price, notice,,price",
            "venue": "north, south",
            "stream": "9f2c41d0",
            "since": "41",
            "subscription": "5be1",
            "snapshot": "0",
            "max_rate": "2.5",
        }
    )
    assert parse_query(query.encode()) == Request(
        token="KEY",
        feed_names=("price", "notice"),
        filters={"venue": frozenset({"north", "south"})},
        resume=Resume(stream="9f2c41d0", since=41, subscription="5be1"),
        wants_snapshot=False,
        max_rate=2.5,
    )


def test_no_feed_at_all_can_be_asked_for() -> None:
    assert parse_query(b"feeds=").feed_names == ()
    assert parse_query(b"").feed_names is None


def test_since_alone_is_a_resume_of_an_unknown_stream() -> None:
    assert parse_query(b"since=0").resume == Resume(stream="", since=0, subscription="")


@pytest.mark.parametrize("since", ["", "-1", "1.5", "x", "٣", "1" * 19, "+1", " 1"])
def test_bad_since_is_reported_and_nothing_is_resumed(since: str) -> None:
    request = parse_query(f"since={quote(since)}".encode())
    assert request.resume is None
    assert codes(request.problems) == ["invalid_value"]


@pytest.mark.parametrize("value", ["", "2", "yes", "false"])
def test_bad_snapshot_is_reported_and_means_one(value: str) -> None:
    request = parse_query(f"snapshot={value}".encode())
    assert request.wants_snapshot
    assert codes(request.problems) == ["invalid_value"]


@pytest.mark.parametrize("count", [0, MAXIMUM_FILTER_VALUES + 1])
def test_filter_with_no_or_too_many_values_is_reported_and_left_out(count: int) -> None:
    values = ",".join(str(number) for number in range(count))
    request = parse_query(f"venue={values}".encode())
    assert request.filters == {}
    assert codes(request.problems) == ["invalid_value"]


def test_filter_takes_its_most_values() -> None:
    values = ",".join(str(number) for number in range(MAXIMUM_FILTER_VALUES))
    assert len(parse_query(f"venue={values}".encode()).filters["venue"]) == MAXIMUM_FILTER_VALUES


@pytest.mark.parametrize("query", ["é".encode(), b"&".join([b"a=1"] * 101)])
def test_unreadable_query_is_one_problem(query: bytes) -> None:
    request = parse_query(query)
    assert codes(request.problems) == ["invalid_value"]
    assert request.token is None


@pytest.mark.parametrize(
    ("value", "rate"),
    [(None, None), ("", None), ("0.1", 0.1), ("100", 100.0), (2, 2.0), (0.5, 0.5)],
)
def test_rate_within_its_limits(value: object, rate: float | None) -> None:
    problems: list[Problem] = []
    assert parse_rate(value, problems) == rate
    assert problems == []


@pytest.mark.parametrize(
    "value",
    ["0.09", "100.1", "nan", "inf", "-1", "fast", True, [2], math.nan, math.inf, 10**400, {}],
)
def test_rate_out_of_its_limits_is_reported(value: object) -> None:
    problems: list[Problem] = []
    assert parse_rate(value, problems) is None
    assert codes(problems) == ["invalid_value"]


def test_client_gets_every_feed_that_it_may_see(grants: Grants) -> None:
    subscription, problems = choose_subscription(Request(), grants)
    assert subscription.names == ("price", "notice")
    assert subscription.feeds[0].scope == field_values({"venue": ["north", "south"]})
    assert problems == []


def test_unknown_and_forbidden_feeds_are_reported_and_the_others_served(grants: Grants) -> None:
    request = Request(feed_names=("notice", "nothing", "secret"))
    subscription, problems = choose_subscription(request, grants)
    assert subscription.names == ("notice",)
    assert codes(problems) == ["unknown_feed", "permission_denied"]
    assert "price, notice, secret" in problems[0].text
    assert "market.view_secret" in problems[1].text


def test_filter_applies_to_each_feed_that_declares_it(grants: Grants) -> None:
    request = Request(filters={"level": frozenset({"ERROR"}), "colour": frozenset({"red"})})
    subscription, problems = choose_subscription(request, grants)
    assert subscription.filters() == {"notice": {"level": ["ERROR"]}}
    assert codes(problems) == ["unknown_filter"]
    assert "colour" in problems[0].text


def test_rate_is_part_of_the_subscription(grants: Grants) -> None:
    subscription, _ = choose_subscription(Request(feed_names=("notice",), max_rate=2.0), grants)
    wanted = [grants.subscription("notice")]
    assert subscription == make_subscription(wanted, max_rate=2.0)


def test_feed_that_is_open_is_no_problem(grants: Grants) -> None:
    problems: list[Problem] = []
    assert may_subscribe("price", grants, problems)
    assert problems == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    query=st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(["token", "feeds", "venue", "since", "snapshot", "max_rate", "stream"]),
        st.text(max_size=20),
    ).map(lambda values: urlencode(values, errors="replace").encode())
)
def test_no_query_raises(grants: Grants, query: bytes) -> None:
    subscription, _ = choose_subscription(parse_query(query), grants)
    assert set(subscription.names) <= set(grants.scopes)
