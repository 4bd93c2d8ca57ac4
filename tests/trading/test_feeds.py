"""Tests of the feeds: the wire's data, from the row alone."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from realtime.feeds import feeds, model_feeds
from realtime.resyncing import resync_feed
from tests.trading.conftest import MONDAY, ReadEvents, open_example
from trading import services
from trading.models import Account, EquitySnapshot, Position, RiskStatus

pytestmark = pytest.mark.django_db


def test_trading_publishes_three_feeds_with_their_keys_and_permissions() -> None:
    found = {
        name: (feed.key_field, feed.permission)
        for name, feed in feeds().items()
        if name != "system_log" and type(feed).__module__ == "trading.feeds"
    }
    assert found == {
        "position_update": ("position_id", "trading.view_position"),
        "equity_update": ("account", "trading.view_equitysnapshot"),
        "risk_status_update": ("account", "trading.view_riskstatus"),
    }


def test_the_protocols_example_is_what_a_client_gets(
    default_account: Account, new_events: ReadEvents
) -> None:
    position = open_example(strategy_id="carry")
    services.accrue_funding(position_id=position.pk, amount="12.50", at=MONDAY)
    new_events()
    services.update_position(
        position_id=position.pk,
        spot_current_price="45500",
        perp_current_price="45132.5",
        at=MONDAY + timedelta(minutes=1),
    )
    [(name, action, data)] = new_events()
    stored = Position.objects.get(pk=position.pk)
    assert (name, action) == ("position_update", "updated")
    assert data.pop("updated_at").endswith("Z")
    assert data.pop("priced_at").endswith("Z")
    assert (data.pop("imbalance"), data.pop("is_imbalanced")) == ("0", False)
    assert (data.pop("spot_closed_quantity"), data.pop("perp_closed_quantity")) == ("0", "0")
    assert Decimal(data.pop("liquidation_distance")) == stored.liquidation_distance
    assert data == {
        "position_id": str(position.pk),
        "account": "default",
        "symbol": "BTC/USDT",
        "strategy_id": "carry",
        "status": "open",
        "spot_entry_price": "45000.00",
        "perp_entry_price": "45010.00",
        "spot_current_price": "45500.00",
        "perp_current_price": "45132.50",
        "spot_exit_price": None,
        "perp_exit_price": None,
        "spot_quantity": "0.1",
        "perp_quantity": "0.1",
        "leverage": "1",
        "unrealized_pnl": "50.25",
        "realized_pnl": None,
        "funding_collected": "12.50",
        "fees": "0.00",
        "liquidation_price": "89572.13930348",
        "close_reason": "",
        "simulated": False,
        "opened_at": "2024-01-15T10:30:00.000Z",
        "closed_at": None,
        "recorded_at": "2024-01-15T10:31:00.000Z",
    }


def test_equity_and_risk_carry_what_the_protocol_promises(
    default_account: Account, new_events: ReadEvents
) -> None:
    services.record_equity(total_equity="100000", at=MONDAY)
    new_events()
    services.record_equity(total_equity="96000.5", at=MONDAY)
    equity, risk = (event[2] for event in new_events())
    assert equity == {
        "account": "default",
        "total_equity": "96000.50",
        "current_equity": "96000.50",
        "peak_equity": "100000.00",
        "day_start_equity": "100000.00",
        "drawdown_pct": "0.039995",
        "daily_loss_pct": "0.039995",
        "simulated": False,
        "recorded_at": "2024-01-15T10:30:00.000Z",
    }
    assert {name: risk[name] for name in ("account", "status", "drawdown_pct", "paused_on")} == {
        "account": "default",
        "status": "soft_pause",
        "drawdown_pct": "0.039995",
        "paused_on": "2024-01-15",
    }
    assert (risk["drawdown_limit"], risk["daily_loss_limit"]) == ("0.06", "0.03")
    assert risk["message"].startswith("Daily loss 4 % is over its limit of 3 %")


def test_snapshots_hold_positions_until_they_are_closed(position: Position) -> None:
    [feed] = [feed for feed in model_feeds() if feed.model is Position]
    for status, live in (("open", True), ("closing", True), ("closed", False)):
        position.status = status
        assert feed.is_live(position) is live


def test_an_events_data_needs_no_query_beyond_its_row(position: Position) -> None:
    services.record_equity(total_equity="100000", at=MONDAY)
    for feed in model_feeds():
        if feed.model not in (Position, EquitySnapshot, RiskStatus):
            continue
        row = feed.model._default_manager.all()[0]
        with CaptureQueriesContext(connection) as queries:
            data = feed.data(row)
        assert data["account"] == "default"
        assert len(queries) == 0


def test_resync_looks_at_the_newest_reading_of_each_account(
    default_account: Account, new_events: ReadEvents
) -> None:
    Account.objects.create(slug="second")
    for account in ("default", "second", "default"):
        services.record_equity(account=account, total_equity="100", at=MONDAY)
    [feed] = [feed for feed in model_feeds() if feed.model is EquitySnapshot]
    newest = [row.pk for row in EquitySnapshot.objects.order_by("id")[1:]]
    assert [row.pk for row in feed.current_rows().order_by("pk")] == newest
    new_events()
    found = resync_feed(feed)
    assert (found.rows, found.published, found.deleted) == (2, 0, 0)
    assert new_events() == []


def test_filters_name_fields_of_the_data(position: Position) -> None:
    services.record_equity(total_equity="100000", at=MONDAY)
    for feed in model_feeds():
        if type(feed).__module__ == "trading.feeds":
            data = feed.data(feed.model._default_manager.all()[0])
            assert set(feed.filter_fields) <= set(data)
            assert feed.key(data) in (str(position.pk), "default")
