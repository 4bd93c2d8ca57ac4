"""Tests of what REST costs: as many queries at 100 rows as at one, on every endpoint."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from realtime.testing import flush
from tests.trading.api.people import FILL, OPENING, PART, PRICES
from tests.trading.conftest import MONDAY, open_example
from trading import services
from trading.models import Account, EquitySnapshot, Position, RiskChange

pytestmark = pytest.mark.django_db

MANY = 100
READS = (
    "positions/",
    "positions/?ordering=-unrealized_pnl&status=open&symbol=BTC/USDT&page_size=500",
    "positions/export/",
    "equity/?page_size=500",
    "equity/?ordering=-recorded_at",
    "equity/?points=50",
    "equity/export/",
    "risk/?page_size=500",
    "risk/export/",
    "events/",
)


def fill(rows: int) -> None:
    """Let there be so many positions, readings and decisions."""
    position = open_example()
    reading = services.record_equity(total_equity=1000, at=MONDAY)
    services.soft_pause(reason="Wait.", at=MONDAY)
    services.resume_trading(reason="Go on.", at=MONDAY)
    change = RiskChange.objects.latest("id")
    for row in (position, reading, change):
        row.pk = None
    moments = [MONDAY + timedelta(seconds=number) for number in range(rows)]
    positions = [copied(position, opened_at=at, recorded_at=at) for at in moments]
    Position.objects.bulk_create(positions)
    EquitySnapshot.objects.bulk_create([copied(reading, recorded_at=at) for at in moments])
    RiskChange.objects.bulk_create([copied(change, recorded_at=at) for at in moments])
    flush()


def copied(row: Any, **changes: Any) -> Any:
    """A new row like this one."""
    values = {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if not field.primary_key
    }
    return type(row)(**{**values, **changes})


def count_queries(answer: Any) -> int:
    """How many queries it takes to get this answer, whole."""
    with CaptureQueriesContext(connection) as queries:
        given = answer()
        assert given.status_code in {200, 201}, given.content
        b"".join(given)
    return len(queries)


@pytest.mark.parametrize("path", READS)
def test_reading_takes_as_many_queries_at_100_rows_as_at_one(
    client: APIClient, default_account: Account, path: str
) -> None:
    fill(1)
    # The first time a user is asked for, Django loads its content types.
    client.get(f"/api/{path}")
    one = count_queries(lambda: client.get(f"/api/{path}"))
    fill(MANY)
    assert count_queries(lambda: client.get(f"/api/{path}")) == one


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k1"}])
def test_opening_takes_as_many_queries_at_100_rows_as_at_one(
    client: APIClient, trader: User, headers: dict[str, str]
) -> None:
    fill(1)
    client.post("/api/positions/", OPENING)
    one = count_queries(lambda: client.post("/api/positions/", OPENING, headers=headers))
    fill(MANY)
    further = dict.fromkeys(headers, "k2")
    assert count_queries(lambda: client.post("/api/positions/", OPENING, headers=further)) == one


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("equity/", {"total_equity": "1000"}),
        ("risk/soft-pause/", {"reason": "Wait."}),
        ("risk/hard-stop/", {"reason": "Fire."}),
    ],
)
def test_a_write_to_an_account_takes_as_many_queries_at_100_rows_as_at_one(
    client: APIClient, path: str, body: dict[str, str]
) -> None:
    def write() -> Any:
        return client.post(f"/api/{path}", body)

    fill(1)
    write()
    services.restart_measuring(reason="Anew.", at=MONDAY)
    fill(1)
    services.restart_measuring(reason="Anew.")
    one = count_queries(write)
    services.restart_measuring(reason="Anew.", at=MONDAY)
    # With the example's a hundred: so many events go into one statement.
    fill(MANY - 1)
    services.restart_measuring(reason="Anew.")
    assert count_queries(write) == one


def test_a_write_to_a_position_takes_as_many_queries_at_100_rows_as_at_one(
    client: APIClient, default_account: Account
) -> None:
    def change_and_close() -> list[int]:
        path = f"/api/positions/{open_example().pk}/"
        return [
            count_queries(lambda: client.patch(path, {"fees": "1"})),
            count_queries(lambda: client.post(f"{path}fills/", FILL)),
            count_queries(lambda: client.post(f"{path}reduce/", PART)),
            count_queries(lambda: client.get(f"{path}fills/")),
            count_queries(lambda: client.post(f"{path}close/", PRICES)),
        ]

    fill(1)
    change_and_close()
    one = change_and_close()
    fill(MANY)
    assert change_and_close() == one
