"""Tests of the CSV files: which rows, which cells, and how they are read."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from realtime.timestamps import isoformat
from tests.trading.conftest import MONDAY, open_example
from trading import exports, services
from trading.exports import CHUNK_ROWS, EXPORTS, cell, csv_response
from trading.models import Account, EquitySnapshot, Position
from trading.selectors import Accounts
from trading.serializers import PositionSerializer

DAY = MONDAY.date()


def read(name: str, **options: Any) -> list[dict[str, str]]:
    """The rows of a file as a program reads them."""
    text = b"".join(csv_response(name, **options)).decode()
    return list(csv.DictReader(StringIO(text, newline="")))


def add_readings(count: int) -> None:
    """Add readings of equity, one a second."""
    EquitySnapshot.objects.bulk_create(
        EquitySnapshot(
            account_id="default",
            total_equity=index,
            peak_equity=count,
            day_start_equity=count,
            drawdown_pct=0,
            daily_loss_pct=0,
            recorded_at=MONDAY + timedelta(seconds=index),
        )
        for index in range(count)
    )


@pytest.mark.parametrize("name", list(EXPORTS))
def test_an_empty_file_has_its_header(db: None, name: str) -> None:
    text = b"".join(csv_response(name)).decode()
    assert text == ",".join(EXPORTS[name].columns) + "\r\n"
    assert "account" in EXPORTS[name].columns


def test_a_position_is_written_as_the_wire_has_it(position: Position) -> None:
    data = PositionSerializer(Position.objects.get()).data
    (row,) = read("positions")
    assert row == {name: cell(value) for name, value in data.items()}
    assert (row["spot_entry_price"], row["opened_at"]) == ("45000.00", "2024-01-15T10:30:00.000Z")
    assert (row["spot_exit_price"], row["simulated"]) == ("", "false")


def test_digits_are_exact(default_account: Account) -> None:
    services.record_equity(total_equity="1234567.12345678", at=MONDAY)
    services.record_equity(total_equity="-0.00000001", at=MONDAY)
    assert [row["total_equity"] for row in read("equity")] == ["1234567.12345678", "-0.00000001"]


def test_a_decision_says_whose_it_is_and_why(default_account: Account) -> None:
    services.soft_pause(reason="=HYPERLINK(1)", made_by="@desk", at=MONDAY)
    (row,) = read("risk")
    assert (row["account"], row["new_status"]) == ("default", "soft_pause")
    assert (row["reason"], row["made_by"]) == ("'=HYPERLINK(1)", "'@desk")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("-1\n", "'-1\n"),
        ("-12.50", "-12.50"),
        ("12.50", "12.50"),
        ("a=b", "a=b"),
        ("'", "'"),
        (True, "true"),
        (None, ""),
    ],
)
def test_a_cell_is_never_a_formula_and_a_number_stays_one(value: object, written: str) -> None:
    assert cell(value) == written


def test_a_text_with_commas_quotes_and_lines_is_one_cell(default_account: Account) -> None:
    services.soft_pause(reason='He said "no",\nthen left', at=MONDAY)
    assert read("risk")[0]["reason"] == 'He said "no",\nthen left'


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        (None, None, [-24, 0, 24]),
        (DAY, None, [0, 24]),
        (None, DAY, [-24, 0]),
        (DAY, DAY, [0]),
        (DAY + timedelta(days=2), None, []),
        (date.min, date.max, [-24, 0, 24]),
    ],
)
@pytest.mark.parametrize("name", list(EXPORTS))
def test_both_days_of_a_period_are_in_it(
    default_account: Account, name: str, since: date | None, until: date | None, hours: list[int]
) -> None:
    # The first and the last moment of a day: UTC decides.
    moments = {
        -24: MONDAY.replace(day=14, hour=23, minute=59, second=59, microsecond=999999),
        0: MONDAY.replace(hour=0, minute=0),
        24: MONDAY.replace(day=16, hour=0, minute=0),
    }
    for moment in moments.values():
        if name == "risk":
            services.restart_measuring(reason="Anew.", at=moment)
        elif name == "equity":
            services.record_equity(total_equity=100, at=moment)
        else:
            open_example(at=moment)
    column = EXPORTS[name].dated_by
    found = [row[column] for row in read(name, since=since, until=until)]
    assert found == [isoformat(moments[hour]) for hour in hours]


@pytest.mark.parametrize(
    ("accounts", "expected"),
    [(None, {"default", "south"}), ({"south"}, {"south"}), (frozenset(), set())],
)
@pytest.mark.parametrize("name", list(EXPORTS))
def test_only_these_accounts_are_in_it(
    default_account: Account, name: str, accounts: Accounts, expected: set[str]
) -> None:
    Account.objects.create(slug="south")
    for account in ("default", "south"):
        open_example(account=account)
        services.record_equity(account=account, total_equity=1, at=MONDAY)
        services.soft_pause(account=account, reason="Wait.", at=MONDAY)
    assert {row["account"] for row in read(name, accounts=accounts)} == expected


def test_many_rows_are_read_in_pieces_each_once(
    default_account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "CHUNK_ROWS", 3)
    # Several of the same moment: the place between two pieces is found all the same.
    for index in range(10):
        open_example(at=MONDAY + timedelta(minutes=index // 4))
    rows = read("positions")
    assert len({row["position_id"] for row in rows}) == len(rows) == 10
    assert [row["opened_at"] for row in rows] == sorted(row["opened_at"] for row in rows)


def test_a_file_of_any_length_is_a_statement_for_every_500_rows(default_account: Account) -> None:
    add_readings(2 * CHUNK_ROWS + 1)
    with CaptureQueriesContext(connection) as queries:
        pieces = list(csv_response("equity"))
    assert len(queries) == 3
    assert len(pieces) == 4
    assert [row["total_equity"] for row in read("equity")][-1] == "1000.00"


@pytest.mark.django_db(transaction=True)
async def test_a_file_is_read_under_asgi_without_a_warning(default_account: Account) -> None:
    await sync_to_async(add_readings)(3)
    response = csv_response("equity")
    text = b"".join([piece async for piece in response]).decode()
    assert len(text.splitlines()) == 4
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="equity.csv"'
    # Of the thread that stands in for the request's own.
    await sync_to_async(connections.close_all)()
