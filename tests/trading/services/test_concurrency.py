"""Tests of services at the same time: no deadlock, nothing slips past a stop, events keep order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import UUID

import pytest
from django.db import connections

from realtime.feeds import model_feeds
from realtime.models import Event
from tests.trading.conftest import MONDAY, open_example
from trading import errors, services
from trading.models import (
    Account,
    EquitySnapshot,
    FundingPayment,
    Position,
    RiskChange,
    RiskStatus,
)

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 6
PRICES = {"BTC/USDT": services.Prices(spot="45500", perp="45400")}

# What a writer may be told because another one was first.
EXPECTED = (errors.TradingPaused, errors.PositionAlreadyClosed, errors.TradingNotPaused)


def run_together(writers: Iterable[Callable[[], object]]) -> list[BaseException | None]:
    """Start all writers at one moment, each on its own connection; returns what each raised."""
    chosen = list(writers)
    barrier = Barrier(len(chosen))

    def run(writer: Callable[[], object]) -> None:
        try:
            barrier.wait()
            writer()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(chosen)) as pool:
        return [future.exception() for future in [pool.submit(run, one) for one in chosen]]


def test_no_position_is_opened_past_a_hard_stop(default_account: Account) -> None:
    for _ in range(ROUNDS):
        raised = run_together(
            [
                open_example,
                lambda: services.hard_stop(reason="Fire.", at=MONDAY),
                open_example,
                lambda: services.reprice_positions(prices=PRICES, at=MONDAY),
            ]
        )
        assert all(error is None or isinstance(error, EXPECTED) for error in raised)
        assert RiskStatus.objects.get().status == "hard_stop"
        assert not Position.objects.filter(status="open").exists()
        services.resume_trading(reason="Again.", at=MONDAY)
    assert Position.objects.filter(status="closing").exists()


def test_every_kind_of_writer_at_once_ends_well(default_account: Account) -> None:
    keys = [open_example().pk for _ in range(3)]

    def trade() -> None:
        for index in range(ROUNDS):
            services.reprice_positions(prices=PRICES, at=MONDAY)
            services.settle_funding(
                rates={"BTC/USDT": "0.0001"}, at=MONDAY + timedelta(hours=index)
            )

    def record() -> None:
        for index in range(ROUNDS):
            services.record_equity(total_equity=100_000 - 3_500 * (index % 2), at=MONDAY)

    def operate() -> None:
        for _ in range(ROUNDS):
            services.hard_stop(reason="Fire.", at=MONDAY)
            services.resume_trading(reason="Again.", at=MONDAY)

    def execute() -> None:
        for key in keys:
            services.update_position(position_id=key, fees="1", at=MONDAY)
            services.close_position(
                position_id=key,
                spot_exit_price="45500",
                perp_exit_price="45400",
                at=MONDAY + timedelta(days=1),
            )

    assert run_together([trade, record, operate, execute]) == [None] * 4
    assert EquitySnapshot.objects.count() == ROUNDS
    check_sums(keys)
    check_changes_form_a_chain()
    check_newest_events_are_the_rows()


def test_a_position_is_closed_by_one_of_many(position: Position) -> None:
    def close() -> None:
        services.close_position(
            position_id=position.pk, spot_exit_price="45500", perp_exit_price="45500"
        )

    raised = run_together([close] * 4)
    assert sorted(type(error).__name__ for error in raised) == [
        "NoneType",
        *["PositionAlreadyClosed"] * 3,
    ]
    assert Event.objects.filter(action="closed").count() == 1


def test_one_settlement_is_accrued_by_one_of_many(position: Position) -> None:
    raised = run_together(
        [lambda: services.accrue_funding(position_id=position.pk, amount="0.45", at=MONDAY)] * 4
    )
    assert [error for error in raised if error is None] == [None]
    assert (
        Position.objects.get(pk=position.pk).funding_collected
        == FundingPayment.objects.get(position=position).amount
    )


def test_one_fill_that_many_report_counts_once(position: Position) -> None:
    def report() -> None:
        services.record_fill(
            position_id=position.pk,
            leg="spot",
            effect="opening",
            price="45000",
            quantity="0.1",
            fill_id="1",
        )

    assert run_together([report] * 4) == [None] * 4
    assert Position.objects.get(pk=position.pk).spot_quantity * 5 == 1
    assert Event.objects.filter(feed="position_update").count() == 2


def check_sums(keys: list[UUID]) -> None:
    """Each position's funding is the sum of its rows, whoever wrote in between."""
    for row in Position.objects.filter(pk__in=keys):
        payments = FundingPayment.objects.filter(position=row)
        assert row.funding_collected == sum(payment.amount for payment in payments)
        assert row.fees == 1


def check_changes_form_a_chain() -> None:
    """Each change of the risk status begins where the one before it ended."""
    status = "normal"
    changes = list(RiskChange.objects.order_by("id"))
    for change in changes:
        assert change.old_status == status
        status = change.new_status
    assert changes
    assert RiskStatus.objects.get().status == status


def check_newest_events_are_the_rows() -> None:
    """The newest event of each object is what its row says."""
    for feed in model_feeds():
        if type(feed).__module__ != "trading.feeds":
            continue
        rows = feed.model._default_manager.order_by("pk")
        state = {feed.key(feed.data(row)): feed.data(row) for row in rows}
        assert state
        events = Event.objects.filter(feed=feed.name).order_by("id")
        assert {event.key: json.loads(event.data) for event in events} == state
