"""Tests of the reads: filters, thinning, and what exists before anything was written."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.trading.conftest import MONDAY, open_example
from trading import errors, selectors, services
from trading.models import Account, EquitySnapshot, Position, RiskStatus

pytestmark = pytest.mark.django_db


def record_curve(readings: int) -> None:
    """Record a reading a minute: 1, 2, 3, …"""
    for index in range(readings):
        services.record_equity(total_equity=index + 1, at=MONDAY + timedelta(minutes=index))


def test_positions_are_filtered_by_any_of_the_values(default_account: Account) -> None:
    bitcoin = open_example(strategy_id="carry")
    ether = open_example(symbol="ETH/USDT")
    open_example(symbol="SOL/USDT")
    found = selectors.list_positions({"symbol": ["BTC/USDT", "ETH/USDT"]})
    assert {row.pk for row in found} == {bitcoin.pk, ether.pk}
    assert selectors.list_positions({"strategy_id": ["carry"]}).get() == bitcoin
    assert selectors.list_positions().count() == 3


def test_live_positions_are_those_not_closed(position: Position) -> None:
    open_example(simulated=True)
    live = selectors.list_live_positions(account="default", simulated=False)
    assert [row.pk for row in live] == [position.pk]
    services.close_position(position_id=position.pk, spot_exit_price="1", perp_exit_price="1")
    assert selectors.list_live_positions(account="default", simulated=False) == []
    assert selectors.count_positions(account="default") == 2


def test_a_position_is_found_or_is_an_error(position: Position) -> None:
    assert selectors.get_position(str(position.pk)) == position
    assert selectors.position_exists(position.pk)
    with pytest.raises(errors.PositionNotFound):
        selectors.get_position(uuid4())


@pytest.mark.parametrize(
    ("total", "points", "expected"),
    [
        (1, 2, [1]),
        (5, 5, [1, 2, 3, 4, 5]),
        (5, 3, [1, 3, 5]),
        (5, 2, [1, 5]),
        (9, 4, [3, 6, 9]),
    ],
)
def test_a_thinned_curve_is_even_and_ends_with_the_newest(
    default_account: Account, total: int, points: int, expected: list[int]
) -> None:
    record_curve(total)
    rows = selectors.list_equity(account="default")
    with CaptureQueriesContext(connection) as queries:
        thinned = list(selectors.thin_equity(rows, points=points))
    assert [row.total_equity for row in thinned] == expected
    assert len(queries) == 2


def test_a_curve_can_be_cut_at_both_ends(default_account: Account) -> None:
    record_curve(5)
    rows = selectors.list_equity(
        account="default", since=MONDAY + timedelta(minutes=1), until=MONDAY + timedelta(minutes=3)
    )
    assert [row.total_equity for row in rows] == [2, 3, 4]


def test_the_newest_equity_is_the_last_recorded(default_account: Account) -> None:
    assert selectors.newest_equity(account="default") is None
    assert selectors.newest_total_equity(account="default") == 100_000
    record_curve(2)
    newest = selectors.newest_equity(account="default")
    assert newest == EquitySnapshot.objects.get(total_equity=2)
    assert selectors.newest_total_equity(account="default") == 2
    with pytest.raises(errors.AccountNotFound):
        selectors.newest_total_equity(account="nobody")


def test_an_account_that_was_never_judged_is_normal(default_account: Account) -> None:
    status = selectors.risk_status(account="default")
    assert (status.status, status.total_equity) == ("normal", None)
    assert not RiskStatus.objects.exists()
    with pytest.raises(errors.AccountNotFound):
        selectors.risk_status(account="nobody")


def test_rows_that_are_not_simulated_are_counted(position: Position) -> None:
    open_example(simulated=True)
    services.record_equity(total_equity=1, simulated=True)
    assert selectors.count_rows_that_are_not_simulated() == (1, 0)
