"""Nearly valid commands and queries against the session: answered, never raised, never beyond."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime import messages
from realtime.auth.grants import Grants
from realtime.parameters import choose_subscription, parse_query
from realtime.session import Close, Effect, Reply, Resubscribe, SendSnapshot, Session
from realtime.subscriptions import Subscription, make_subscription
from tests.realtime.fakes import TIMESTAMP, FakeClock, fixed_timestamp, parsed

ACTIONS = ("ping", "snapshot", "subscribe", "unsubscribe", "authenticate")
FEEDS = ("price", "notice", "secret", "weather", "", "\x00")
FIELDS = ("instrument", "venue", "level", "colour", "token", "")
PARAMETERS = (*FIELDS, "feeds", "stream", "since", "subscription", "snapshot", "max_rate")
UNFIXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from((*FEEDS, *FIELDS)), inner, max_size=3)
    ),
    max_leaves=6,
)
names = st.lists(st.sampled_from(FEEDS) | scalars, max_size=4)
values = st.lists(st.text(max_size=4), max_size=3) | scalars
filters = st.dictionaries(
    st.sampled_from(FEEDS),
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=2) | scalars,
    max_size=2,
)
commands = st.fixed_dictionaries(
    {"action": st.sampled_from(ACTIONS) | anything},
    optional={
        "id": anything,
        "feeds": names | anything,
        "filters": filters | anything,
        "max_rate": st.floats(0, 200) | anything,
    },
)
# JSON has no surrogates and no NaN; what Python writes for them is nearly JSON.
texts = commands.map(json.dumps) | st.text(max_size=40) | anything.map(json.dumps)


def make_session(grants: Grants, clock: FakeClock) -> Session:
    subscription = make_subscription([grants.subscription("price")])
    return Session(grants=grants, subscription=subscription, timestamp=fixed_timestamp, clock=clock)


def check_subscription(subscription: Subscription, grants: Grants) -> None:
    """It holds nothing that the client may not see, and can be said."""
    for feed in subscription.feeds:
        assert feed.scope == grants.scopes[feed.name]
    assert subscription.digest()


def id_of(effect: Effect) -> Any:
    """The id that the answer echoes."""
    if isinstance(effect, Reply):
        return parsed(effect.frame).get("id")
    if isinstance(effect, Resubscribe):
        answer = messages.subscribed(
            timestamp=TIMESTAMP, id=effect.id, subscription=effect.subscription, seq=1
        )
        return parsed(answer).get("id")
    assert isinstance(effect, SendSnapshot), effect
    return effect.id


@UNFIXED
@given(sent=st.lists(texts, max_size=9))
def test_every_text_is_answered_once(grants: Grants, sent: list[str]) -> None:
    clock = FakeClock()
    session = make_session(grants, clock)
    for text in sent:
        clock.pass_seconds(1)
        (effect,) = session.receive_text(text)
        assert not isinstance(effect, Close)
        id_of(effect)
        check_subscription(session.subscription, grants)


@UNFIXED
@given(command=commands, id_=st.integers(-(2**53), 2**53) | st.text(max_size=9))
def test_answer_has_the_commands_id(grants: Grants, command: Any, id_: int | str) -> None:
    session = make_session(grants, FakeClock())
    text = json.dumps(command | {"id": id_})
    (effect,) = session.receive_text(text)
    is_json = not isinstance(effect, Reply) or parsed(effect.frame).get("code") != "invalid_json"
    assert id_of(effect) == (id_ if is_json else None)


@UNFIXED
@given(
    pairs=st.lists(
        st.tuples(
            st.sampled_from(PARAMETERS),
            st.text(max_size=9) | st.sampled_from(("", "price,secret", "0", "1e999", "nan", "²")),
        ),
        max_size=5,
    ),
    rest=st.binary(max_size=5),
)
def test_every_query_is_a_subscription_that_the_client_may_have(
    grants: Grants, pairs: list[tuple[str, str]], rest: bytes
) -> None:
    query = "&".join(f"{name}={quote(value, errors='replace')}" for name, value in pairs)
    request = parse_query(query.encode() + rest)
    subscription, problems = choose_subscription(request, grants)
    check_subscription(subscription, grants)
    assert all(problem.text for problem in (*request.problems, *problems))
