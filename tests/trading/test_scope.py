"""Tests of who sees which accounts: the scope of every feed, and REST alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from realtime.auth.grants import anonymous_grants, grants_of, grants_of_all
from realtime.auth.user_permissions import preload_permissions
from realtime.feeds import feeds
from realtime.testing import flush
from tests.trading.conftest import MONDAY, add_user, open_example
from trading import selectors, services
from trading.models import Account, Position

pytestmark = pytest.mark.django_db

FEEDS = ("position_update", "equity_update", "risk_status_update")


@pytest.fixture
def _two_desks(default_account: Account) -> None:
    """Two accounts with everything in them; their names are the symbols' bases."""
    for slug in ("north", "south"):
        Account.objects.create(slug=slug)
        open_example(account=slug, symbol=f"{slug.upper()}/USDT")
        services.record_equity(account=slug, total_equity="1000", at=MONDAY)
        services.soft_pause(account=slug, reason=f"{slug} waits.", at=MONDAY)


def signed_in(user: User) -> APIClient:
    """A client with this user's session."""
    client = APIClient()
    client.force_login(user)
    return client


def scopes_of(user: User) -> list[dict[str, frozenset[str]]]:
    """The scope of each of trading's feeds, as a connection has it."""
    scopes = grants_of(User.objects.get(pk=user.pk)).scopes
    return [dict(scopes[name]) for name in FEEDS]


def test_a_member_sees_its_accounts_on_every_feed() -> None:
    user = add_user("member", "north", "south")
    Account.objects.create(slug="west")
    assert scopes_of(user) == [{"account": frozenset({"north", "south"})}] * 3


def test_who_may_view_all_accounts_has_no_limit() -> None:
    chief = add_user("chief", "north", sees_all=True)
    admin = User.objects.create_superuser("admin")
    assert scopes_of(chief) == scopes_of(admin) == [{}] * 3


def test_a_user_without_accounts_has_the_feeds_and_sees_nothing_on_them() -> None:
    assert scopes_of(add_user("newcomer")) == [{"account": frozenset()}] * 3


def test_a_client_without_credentials_has_no_limit_where_it_is_let_in() -> None:
    scopes = anonymous_grants(AnonymousUser()).scopes
    assert [scopes[name] for name in FEEDS] == [()] * 3


def test_beside_the_stream_nobody_without_credentials_sees_an_account() -> None:
    assert selectors.viewable_accounts(AnonymousUser()) == frozenset()


def test_membership_is_asked_for_once_for_all_feeds() -> None:
    user = User.objects.get(pk=add_user("member", "north").pk)
    with CaptureQueriesContext(connection) as queries:
        grants_of(user)
    about_accounts = [query for query in queries if "trading_account" in query["sql"]]
    assert len(about_accounts) == 1


def test_every_feed_of_trading_is_limited_by_account() -> None:
    ours = [feed for feed in feeds().values() if type(feed).__module__ == "trading.feeds"]
    newcomer = add_user("newcomer")
    assert len(ours) == len(FEEDS)
    for feed in ours:
        assert feed.scope(newcomer) == {"account": frozenset()}
        assert "account" in feed.filter_fields


@pytest.mark.usefixtures("_two_desks")
def test_lists_hold_and_count_the_positions_of_ones_accounts() -> None:
    body = signed_in(add_user("member", "north")).get("/api/positions/").json()
    assert (body["count"], [row["symbol"] for row in body["results"]]) == (1, ["NORTH/USDT"])
    chief = signed_in(add_user("chief", sees_all=True))
    assert chief.get("/api/positions/").json()["count"] == 2
    newcomer = signed_in(add_user("newcomer"))
    assert newcomer.get("/api/positions/").json()["count"] == 0


@pytest.mark.usefixtures("_two_desks")
@pytest.mark.parametrize("filters", ["account=south", "account=north,south", "symbol=SOUTH/USDT"])
def test_a_filter_cannot_reach_beyond_ones_accounts(filters: str) -> None:
    client = signed_in(add_user("member", "north"))
    body = client.get(f"/api/positions/?{filters}").json()
    assert "SOUTH/USDT" not in {row["symbol"] for row in body["results"]}
    assert body["count"] == len(body["results"])


@pytest.mark.usefixtures("_two_desks")
def test_anothers_position_is_as_if_it_were_not_there() -> None:
    client = signed_in(add_user("member", "north"))
    own, other = (Position.objects.get(account=slug).pk for slug in ("north", "south"))
    assert client.get(f"/api/positions/{own}/").status_code == 200
    assert_same_refusal(client, str(other), str(uuid4()), path="positions/")


@pytest.mark.usefixtures("_two_desks")
@pytest.mark.parametrize("path", ["equity", "risk"])
def test_anothers_equity_and_risk_are_as_if_they_were_not_there(path: str) -> None:
    client = signed_in(add_user("member", "north"))
    own = client.get(f"/api/{path}/?account=north")
    assert (own.status_code, "south" in own.content.decode()) == (200, False)
    assert_same_refusal(client, "south", "absent", path=f"{path}/?account=")


@pytest.mark.parametrize("path", ["equity", "risk"])
def test_the_default_account_has_members_too(default_account: Account, path: str) -> None:
    user = add_user("member")
    assert signed_in(user).get(f"/api/{path}/").status_code == 404
    default_account.members.add(user)
    assert signed_in(user).get(f"/api/{path}/").status_code == 200


def assert_same_refusal(client: APIClient, asked: str, absent: str, *, path: str) -> None:
    """Both answer 404, with the same words about the name that was asked for."""
    answers = [client.get(f"/api/{path}{name}", follow=True) for name in (asked, absent)]
    assert [answer.status_code for answer in answers] == [404, 404]
    told = [answer.content.decode() for answer in answers]
    assert told[0].replace(asked, absent) == told[1]


@pytest.mark.usefixtures("_two_desks")
def test_the_log_over_rest_follows_the_scope() -> None:
    flush()
    seen = {
        name: events_of(user)
        for name, user in {
            "member": add_user("member", "north"),
            "newcomer": add_user("newcomer"),
            "chief": add_user("chief", sees_all=True),
        }.items()
    }
    assert {event["data"]["account"] for event in seen["member"]} == {"north"}
    assert {event["type"] for event in seen["member"]} == set(FEEDS)
    assert seen["newcomer"] == []
    assert {event["data"]["account"] for event in seen["chief"]} == {"north", "south"}


def events_of(user: User) -> list[dict[str, Any]]:
    """What `GET /api/events/` gives this user."""
    results: list[dict[str, Any]] = signed_in(user).get("/api/events/").json()["results"]
    return results


def test_a_position_that_is_moved_away_has_left(default_account: Account) -> None:
    member = add_user("member", "north")
    Account.objects.create(slug="south")
    position = open_example(account="north")
    Position.objects.filter(pk=position.pk).update(account="south")
    flush()
    about_it = [event for event in events_of(member) if event["type"] == "position_update"]
    assert [event["action"] for event in about_it] == ["created", "left"]
    assert about_it[-1]["data"] == {"position_id": str(position.pk)}


@pytest.mark.parametrize("path", ["positions/", "equity/?account=north", "risk/?account=north"])
def test_a_members_queries_do_not_grow_with_rows_or_accounts(path: str) -> None:
    user = add_user("member", "north")
    fill("north", rows=1)
    one = count_queries(user, path)
    fill("north", rows=99)
    for number in range(20):
        Account.objects.create(slug=f"further-{number}").members.add(user)
    assert count_queries(user, path) == one


def fill(account: str, *, rows: int) -> None:
    """Add so many positions, readings and changes of the risk status."""
    for number in range(rows):
        at = MONDAY + timedelta(seconds=number)
        open_example(account=account, at=at)
        services.record_equity(account=account, total_equity="1000", at=at)
        services.soft_pause(account=account, reason="Wait.", at=at)
        services.resume_trading(account=account, reason="Go on.", at=at)


def count_queries(user: User, path: str) -> int:
    """How many queries this user's request takes."""
    client = signed_in(user)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"/api/{path}").status_code == 200
    return len(queries)


def test_seeing_all_accounts_is_no_permission_to_see_a_feed(default_account: Account) -> None:
    user = User.objects.create(username="half")
    user.user_permissions.add(Permission.objects.get(codename="view_all_accounts"))
    assert grants_of(user).scopes.keys().isdisjoint(FEEDS)
    assert signed_in(user).get("/api/positions/").status_code == 403


def test_accounts_of_many_users_take_one_query_for_all_feeds() -> None:
    members = [add_user(f"member{number}", "north", f"own{number}") for number in range(5)]
    chief = add_user("chief", sees_all=True)
    users = list(User.objects.filter(pk__in=[user.pk for user in (*members, chief)]).order_by("pk"))
    preload_permissions(users)
    with CaptureQueriesContext(connection) as queries:
        found = grants_of_all(users)
    assert len(queries) == 1
    for number, grants in enumerate(found[:-1]):
        accounts = frozenset({"north", f"own{number}"})
        assert [dict(grants.scopes[name]) for name in FEEDS] == [{"account": accounts}] * 3
    assert [dict(found[-1].scopes[name]) for name in FEEDS] == [{}] * 3
