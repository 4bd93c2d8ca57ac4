"""Tests of REST, reading: pages, filters, refusals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient

from realtime.rest import exception_handler
from tests.trading.conftest import MONDAY, open_example
from trading import services
from trading.models import Account, Position
from trading.serializers import PositionSerializer

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer() -> APIClient:
    """A client that may view everything of trading, and nothing else."""
    user = User.objects.create(username="viewer")
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="trading", codename__startswith="view_")
    )
    return signed_in(user)


def signed_in(user: User) -> APIClient:
    """A client with this user's session."""
    client = APIClient()
    client.force_login(user)
    return client


def test_positions_are_what_the_feed_publishes(viewer: APIClient, position: Position) -> None:
    answer = viewer.get("/api/positions/")
    assert answer.status_code == 200
    assert answer.json() == {
        "count": 1,
        "next": None,
        "previous": None,
        "results": [PositionSerializer(Position.objects.get()).data],
    }


def test_one_position_is_found_by_its_id_also_when_closed(
    viewer: APIClient, position: Position
) -> None:
    services.close_position(position_id=position.pk, spot_exit_price="1", perp_exit_price="1")
    answer = viewer.get(f"/api/positions/{position.pk}/")
    assert (answer.status_code, answer.json()["status"]) == (200, "closed")


@pytest.mark.parametrize("key", ["0f0e0d0c-0000-0000-0000-000000000000", "what"])
def test_a_position_that_is_not_there_is_a_404_with_its_code(
    viewer: APIClient, default_account: Account, key: str
) -> None:
    answer = viewer.get(f"/api/positions/{key}/")
    assert (answer.status_code, answer.json()["code"]) == (404, "position_not_found")
    assert key in answer.json()["message"]


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("symbol=BTC/USDT", ["BTC/USDT"]),
        ("symbol=BTC/USDT,ETH/USDT", ["ETH/USDT", "BTC/USDT"]),
        ("symbol=BTC/USDT&symbol=ETH/USDT", ["ETH/USDT", "BTC/USDT"]),
        ("status=closed", []),
        ("account=default&status=open,closing&strategy_id=carry", ["BTC/USDT"]),
        ("account=nobody", []),
    ],
)
def test_positions_can_be_filtered(
    viewer: APIClient, default_account: Account, query: str, symbols: list[str]
) -> None:
    open_example(strategy_id="carry")
    open_example(symbol="ETH/USDT", at=MONDAY + timedelta(minutes=1))
    answer = viewer.get(f"/api/positions/?{query}")
    assert [row["symbol"] for row in answer.json()["results"]] == symbols


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("positions/?colour=red", "colour"),
        ("positions/?symbol=bitcoin", "symbol"),
        ("positions/?status=gone", "status"),
        ("positions/?account=", "account"),
        ("positions/?strategy_id=a%00b", "strategy_id"),
        ("positions/?page=0", "page"),
        ("positions/?page_size=501", "page_size"),
        ("equity/?since=yesterday", "since"),
        ("equity/?since=2024-01-02T00:00:00Z&until=2024-01-01T00:00:00Z", "until"),
        ("equity/?points=1", "points"),
        ("equity/?points=501", "points"),
        ("equity/?points=10&page=2", "points"),
        ("equity/?symbol=BTC/USDT", "symbol"),
        ("risk/?status=normal", "status"),
    ],
)
def test_a_bad_parameter_is_a_400_that_names_it(
    viewer: APIClient, default_account: Account, path: str, field: str
) -> None:
    answer = viewer.get(f"/api/{path}")
    body: dict[str, Any] = answer.json()
    assert answer.status_code == 400
    assert body["code"] == "invalid_value"
    assert list(body["fields"]) == [field]


def test_pages_are_as_long_as_asked_for(viewer: APIClient, default_account: Account) -> None:
    for _ in range(3):
        open_example()
    first = viewer.get("/api/positions/?page_size=2").json()
    assert (first["count"], len(first["results"])) == (3, 2)
    second = viewer.get(first["next"]).json()
    assert len(second["results"]) == 1
    ids = {row["position_id"] for row in first["results"] + second["results"]}
    assert len(ids) == 3
    assert viewer.get("/api/positions/?page=7").status_code == 404


def test_the_curve_is_oldest_first_and_can_be_cut_and_thinned(
    viewer: APIClient, default_account: Account
) -> None:
    for index in range(5):
        services.record_equity(total_equity=index + 1, at=MONDAY + timedelta(minutes=index))
    whole = viewer.get("/api/equity/").json()["results"]
    assert [row["total_equity"] for row in whole] == ["1.00", "2.00", "3.00", "4.00", "5.00"]
    cut = viewer.get("/api/equity/?since=2024-01-15T10:31:00Z&until=2024-01-15T10:32:00Z").json()
    assert [row["total_equity"] for row in cut["results"]] == ["2.00", "3.00"]
    thin = viewer.get("/api/equity/?points=3").json()
    assert [row["total_equity"] for row in thin["results"]] == ["1.00", "3.00", "5.00"]
    assert thin["count"] == 3


def test_risk_shows_the_status_and_its_changes_newest_first(
    viewer: APIClient, default_account: Account
) -> None:
    services.soft_pause(reason="Wait.", at=MONDAY)
    services.resume_trading(reason="Go on.", at=MONDAY)
    body = viewer.get("/api/risk/").json()
    assert (body["account"], body["status"], body["drawdown_limit"]) == (
        "default",
        "normal",
        "0.06",
    )
    assert [row["reason"] for row in body["changes"]["results"]] == ["Go on.", "Wait."]
    assert body["changes"]["results"][1]["made_by"] == "a program"


def test_risk_of_an_account_that_was_never_judged_is_normal(
    viewer: APIClient, default_account: Account
) -> None:
    body = viewer.get("/api/risk/").json()
    assert (body["status"], body["total_equity"]) == ("normal", None)
    assert body["changes"]["count"] == 0


@pytest.mark.parametrize("path", ["equity", "risk"])
def test_an_account_that_does_not_exist_is_a_404(viewer: APIClient, path: str) -> None:
    answer = viewer.get(f"/api/{path}/?account=nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")


@pytest.mark.parametrize("path", ["positions", "positions/x", "equity", "risk"])
def test_reading_needs_a_user_with_the_feeds_permission(db: None, path: str) -> None:
    assert APIClient().get(f"/api/{path}/").status_code == 401
    stranger = signed_in(User.objects.create(username="stranger"))
    answer = stranger.get(f"/api/{path}/")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("path", ["positions", "equity", "risk"])
def test_the_number_of_queries_does_not_grow_with_the_rows(
    viewer: APIClient, default_account: Account, path: str
) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert viewer.get(f"/api/{path}/").status_code == 200
        return len(queries)

    def write() -> None:
        open_example()
        services.record_equity(total_equity=1, at=MONDAY)
        services.soft_pause(reason="Wait.", at=MONDAY)
        services.resume_trading(reason="Go on.", at=MONDAY)

    write()
    one = count_queries()
    for _ in range(5):
        write()
    assert count_queries() == one


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "symbol=bitcoin",
            "symbol: 'bitcoin' is no symbol: write BASE/QUOTE in capitals, such as BTC/USDT.",
        ),
        (
            "page=0&page_size=501",
            "page: Ensure this value is greater than or equal to 1. "
            "page_size: Ensure this value is less than or equal to 500.",
        ),
        (
            "colour=red",
            "colour: There is no such parameter; there are: "
            "page, page_size, account, symbol, status, strategy_id.",
        ),
    ],
)
def test_the_message_of_a_400_says_what_is_wrong_with_each_field(
    viewer: APIClient, query: str, message: str
) -> None:
    assert viewer.get(f"/api/positions/?{query}").json()["message"] == message


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        (["Everything is wrong."], "Everything is wrong."),
        ({"non_field_errors": ["Both at once."]}, "Both at once."),
        ({"legs": [{}, {"price": ["It is missing.", "It is odd."]}]}, "legs: It is missing."),
        ({"legs": {"price": []}}, "legs: Not valid."),
    ],
)
def test_the_message_is_found_in_errors_of_any_shape(detail: Any, message: str) -> None:
    answer = exception_handler(ValidationError(detail), {})
    assert answer is not None
    assert answer.data["message"] == message
