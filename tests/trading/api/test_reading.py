"""Tests of REST, reading: orderings and files; tests/trading/test_api.py has the rest."""

from __future__ import annotations

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from tests.trading.api.people import add_trader, signed_in
from tests.trading.conftest import MONDAY, open_example
from trading import services
from trading.models import Account

pytestmark = pytest.mark.django_db


def rows_of(client: APIClient, path: str) -> list[dict[str, str]]:
    """The rows of a file."""
    answer = client.get(f"/api/{path}")
    assert answer.status_code == 200, answer.content
    text = b"".join(answer).decode()  # type: ignore[arg-type]
    return list(csv.DictReader(StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("ordering", "symbols"),
    [
        ("", ["SOL/USDT", "ETH/USDT", "BTC/USDT"]),
        ("?ordering=opened_at", ["BTC/USDT", "ETH/USDT", "SOL/USDT"]),
        ("?ordering=-opened_at", ["SOL/USDT", "ETH/USDT", "BTC/USDT"]),
        ("?ordering=symbol", ["BTC/USDT", "ETH/USDT", "SOL/USDT"]),
        ("?ordering=-symbol", ["SOL/USDT", "ETH/USDT", "BTC/USDT"]),
        # What is unknown comes last, whichever way.
        ("?ordering=unrealized_pnl", ["ETH/USDT", "SOL/USDT", "BTC/USDT"]),
        ("?ordering=-unrealized_pnl", ["SOL/USDT", "ETH/USDT", "BTC/USDT"]),
    ],
)
def test_positions_can_be_ordered(client: APIClient, ordering: str, symbols: list[str]) -> None:
    open_example(symbol="BTC/USDT")
    for number, symbol in enumerate(("ETH/USDT", "SOL/USDT"), 1):
        open_example(
            symbol=symbol,
            at=MONDAY + timedelta(minutes=number),
            spot_current_price=45_000 + number,
            perp_current_price=45_000,
        )
    answer = client.get(f"/api/positions/{ordering}")
    assert [row["symbol"] for row in answer.json()["results"]] == symbols


def test_pages_of_an_ordering_hold_each_row_once(client: APIClient) -> None:
    for _ in range(5):
        open_example()
    found = [
        row["position_id"]
        for page in (1, 2, 3)
        for row in client.get(f"/api/positions/?ordering=symbol&page_size=2&page={page}").json()[
            "results"
        ]
    ]
    assert len(set(found)) == len(found) == 5


def test_equity_can_be_newest_first(client: APIClient) -> None:
    for number in range(3):
        services.record_equity(total_equity=number, at=MONDAY)
    answer = client.get("/api/equity/?ordering=-recorded_at").json()
    assert [row["total_equity"] for row in answer["results"]] == ["2.00", "1.00", "0.00"]


@pytest.mark.parametrize(
    ("path", "field", "words"),
    [
        ("positions/?ordering=colour", "ordering", "There are: opened_at, -opened_at,"),
        ("positions/?ordering=account__members", "ordering", "There are:"),
        ("positions/?orderin=symbol", "orderin", "Did you mean ordering?"),
        ("positions/?order=symbol", "order", "Did you mean ordering?"),
        ("equity/?ordering=symbol", "ordering", "There are: recorded_at, -recorded_at."),
        ("equity/?ordering=recorded_at&points=5", "points", "no `ordering`"),
        ("positions/export/?since=yesterday", "since", "wrong format"),
        ("equity/export/?since=2024-01-15T10:00:00Z", "since", "wrong format"),
        ("risk/export/?since=2024-01-16&until=2024-01-15", "until", "before `since`"),
        ("risk/export/?page=1", "page", "account, since, until"),
    ],
)
def test_a_bad_parameter_is_a_400_that_says_what_there_is(
    client: APIClient, path: str, field: str, words: str
) -> None:
    answer = client.get(f"/api/{path}")
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])
    assert words in answer.json()["message"]


def fill(*accounts: str) -> None:
    """One row of each file for each account."""
    for account in accounts:
        Account.objects.get_or_create(pk=account)
        open_example(account=account)
        services.record_equity(account=account, total_equity=1, at=MONDAY)
        services.soft_pause(account=account, reason="Wait.", at=MONDAY)


@pytest.mark.parametrize("name", ["positions", "equity", "risk"])
def test_a_file_holds_the_accounts_of_its_reader_that_were_asked_for(
    client: APIClient, trader: User, name: str
) -> None:
    fill("default", "north", "south")
    Account.objects.get(pk="north").members.add(trader)

    def accounts(query: str = "") -> list[str]:
        return [row["account"] for row in rows_of(client, f"{name}/export/{query}")]

    assert sorted(accounts()) == ["default", "north"]
    assert accounts("?account=north") == ["north"]
    assert accounts("?account=north,south,nobody") == ["north"]
    assert accounts("?account=south") == []


@pytest.mark.parametrize("name", ["positions", "equity", "risk"])
def test_who_sees_all_accounts_gets_them_or_those_asked_for(
    default_account: Account, name: str
) -> None:
    fill("default", "south")
    chief = signed_in(add_trader("chief", permissions=("view_all_accounts",)))
    assert len(rows_of(chief, f"{name}/export/")) == 2
    assert [row["account"] for row in rows_of(chief, f"{name}/export/?account=south")] == ["south"]


@pytest.mark.parametrize("name", ["positions", "equity", "risk"])
def test_a_file_is_of_the_days_asked_for(client: APIClient, name: str) -> None:
    fill("default")
    assert len(rows_of(client, f"{name}/export/?since=2024-01-15&until=2024-01-15")) == 1
    assert rows_of(client, f"{name}/export/?since=2024-01-16") == []
    assert rows_of(client, f"{name}/export/?until=2024-01-14") == []


@pytest.mark.parametrize("name", ["positions", "equity", "risk"])
def test_a_file_takes_the_permission_to_see_the_feed(default_account: Account, name: str) -> None:
    path = f"/api/{name}/export/"
    assert APIClient().get(path).status_code == 401
    answer: Any = signed_in(User.objects.create(username="stranger")).get(path)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_what_is_not_there_is_a_404_in_the_shape_of_every_error(
    client: APIClient, method: str
) -> None:
    answer = getattr(client, method)("/api/positions/a/b/c/", {})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "/api/positions/a/b/c/" in answer.json()["message"]


def test_a_path_without_its_slash_is_redirected(client: APIClient) -> None:
    answer = Client().get("/api/positions")
    assert (answer.status_code, answer.headers["Location"]) == (301, "/api/positions/")
