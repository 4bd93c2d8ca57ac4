"""Any history of readings, decisions and days, against a model of a page in exact fractions."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trading.conftest import MONDAY, open_example
from tests.trading.exactness import floats_refused
from trading import services
from trading.errors import HardStopped, TradingNotPaused
from trading.models import Account, Position, RiskChange, RiskStatus

pytestmark = pytest.mark.django_db

readings = st.decimals("900", "1100", places=2).map(lambda equity: ("read", equity))
decisions = st.sampled_from(["pause", "stop", "resume"]).map(lambda name: (name, Decimal(0)))
days = st.just(("day", Decimal(0)))
histories = st.lists(readings | readings | decisions | days, min_size=1, max_size=25)


class Model:
    """What the rules say, without the engine's code."""

    def __init__(self) -> None:
        self.day = 0
        self.status = "normal"
        self.paused_on = -1
        self.peak = self.start = self.newest = Fraction(0)
        self.read_on: int | None = None

    def read(self, equity: Fraction) -> None:
        """Judge a reading."""
        if self.read_on is None:
            self.peak = self.start = equity
        elif self.read_on != self.day:
            self.start = self.newest
        self.newest, self.read_on = equity, self.day
        self.peak = max(self.peak, equity)
        if self.status == "hard_stop":
            return
        if (self.peak - equity) * 100 > 6 * self.peak:
            self.status = "hard_stop"
        elif (self.start - equity) * 100 > 3 * self.start:
            self.status, self.paused_on = "soft_pause", self.day
        elif self.status == "soft_pause" and self.paused_on < self.day:
            self.status = "normal"

    def pause(self) -> None:
        """A person's pause; of a stop it is refused."""
        if self.status == "hard_stop":
            raise HardStopped(account="default")
        self.status, self.paused_on = "soft_pause", self.day

    def resume(self) -> None:
        """A person's resumption: losses count from here."""
        if self.status == "normal":
            raise TradingNotPaused(account="default")
        self.status = "normal"
        if self.read_on is not None:
            self.peak = self.start = self.newest
            self.read_on = self.day


def carry_out(model: Model, step: str, equity: Decimal) -> None:
    """Do a step in the model and in the database; what one refuses, the other refuses."""
    at = MONDAY + timedelta(days=model.day)
    refused: type[Exception] | None = None
    try:
        if step == "read":
            model.read(Fraction(equity))
        elif step == "pause":
            model.pause()
        elif step == "resume":
            model.resume()
        elif step == "stop":
            model.status = "hard_stop"
        else:
            model.day += 1
            return
    except (HardStopped, TradingNotPaused) as error:
        refused = type(error)
    do = {
        "read": lambda: services.record_equity(total_equity=equity, at=at),
        "pause": lambda: services.soft_pause(reason="Wait.", at=at),
        "stop": lambda: services.hard_stop(reason="Fire.", at=at),
        "resume": lambda: services.resume_trading(reason="Go.", at=at),
    }[step]
    if refused is None:
        do()
    else:
        with pytest.raises(refused):
            do()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories)
def test_the_status_is_what_the_rules_say_after_any_history(
    default_account: Account, history: list[tuple[str, Decimal]]
) -> None:
    model = Model()
    with floats_refused(), transaction.atomic():
        for step, equity in history:
            carry_out(model, step, equity)
            row = RiskStatus.objects.filter(pk="default").first()
            assert (row.status if row else "normal") == model.status
        statuses = ["normal"]
        for change in RiskChange.objects.order_by("id"):
            assert change.old_status == statuses[-1]
            assert change.reason
            statuses.append(change.new_status)
        assert statuses[-1] == model.status
        check_figures(model)
        transaction.set_rollback(True)


def check_figures(model: Model) -> None:
    """The row's peak and start of the day are the model's."""
    row = RiskStatus.objects.filter(pk="default").first()
    if row is None or model.read_on is None:
        return
    assert row.peak_equity is not None
    assert row.day_start_equity is not None
    assert Fraction(row.peak_equity) == model.peak
    assert Fraction(row.day_start_equity) == model.start
    loss = max(model.start - model.newest, Fraction(0)) / model.start
    assert 0 <= Fraction(row.daily_loss_pct) - loss < Fraction(1, 10**8)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories)
def test_positions_are_closing_exactly_when_there_was_a_stop(
    default_account: Account, history: list[tuple[str, Decimal]]
) -> None:
    with transaction.atomic():
        position = open_example()
        model, was_stopped = Model(), False
        for step, equity in history:
            carry_out(model, step, equity)
            was_stopped = was_stopped or model.status == "hard_stop"
        status = Position.objects.get(pk=position.pk).status
        assert status == ("closing" if was_stopped else "open")
        transaction.set_rollback(True)
