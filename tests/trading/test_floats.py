"""No float in the arithmetic of money: not written in its modules, not let in by any service."""

from __future__ import annotations

import ast
from collections.abc import Callable
from decimal import Decimal, FloatOperation
from pathlib import Path
from typing import Any

import pytest

import trading
from tests.trading.conftest import MONDAY, open_example
from tests.trading.exactness import floats_refused
from trading import errors, pnl, services
from trading.models import Account, EquitySnapshot, Fill, FundingPayment, Position

ROOT = Path(trading.__file__).parent
# Durations of the watch are seconds of a clock, no amounts.
EXACT = [
    *(ROOT / name for name in ("amounts.py", "pnl.py", "risk.py", "serializers.py")),
    *sorted((ROOT / "models").glob("*.py")),
    *sorted((ROOT / "services").glob("*.py")),
]
FLOATING = {"float", "FloatField", "as_integer_ratio", "from_float", "math", "statistics", "round"}


@pytest.mark.parametrize("path", EXACT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_float_is_written_where_money_is_computed(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.Constant) or not isinstance(node.value, float), node.lineno
        names = {getattr(node, name, None) for name in ("id", "attr", "module", "name")}
        assert not names & FLOATING, node.lineno


@pytest.mark.parametrize(
    "write",
    [
        lambda value, key: services.record_equity(total_equity=value, at=MONDAY),
        lambda value, key: open_example(spot_quantity=value),
        lambda value, key: services.start_position(
            symbol="BTC/USDT", spot_price=value, perp_price="1"
        ),
        lambda value, key: services.update_position(position_id=key, spot_current_price=value),
        lambda value, key: services.reprice_positions(
            prices={"BTC/USDT": services.Prices(spot=value, perp="1")}
        ),
        lambda value, key: services.accrue_funding(position_id=key, amount=value),
        lambda value, key: services.settle_funding(rates={"BTC/USDT": value}),
        lambda value, key: services.record_fill(
            position_id=key, leg="spot", effect="opening", price="1", quantity=value, fill_id="1"
        ),
        lambda value, key: services.reduce_position(
            position_id=key, spot_quantity=value, spot_exit_price="1"
        ),
        lambda value, key: services.close_position(
            position_id=key, spot_exit_price=value, perp_exit_price="1"
        ),
    ],
)
@pytest.mark.django_db
def test_every_service_refuses_a_float(
    position: Position, write: Callable[[Any, Any], object]
) -> None:
    with pytest.raises(errors.InvalidAmount, match="never a float"):
        write(0.5, position.pk)
    rows = [model.objects.count() for model in (Position, EquitySnapshot, FundingPayment, Fill)]
    assert rows == [1, 0, 0, 2]


@pytest.mark.django_db
def test_a_position_and_its_account_meet_no_float_on_their_way(default_account: Account) -> None:
    with floats_refused():
        position = open_example(fees="1.5", leverage="3")
        services.update_position(
            position_id=position.pk, spot_current_price="45500", perp_current_price="45132.5"
        )
        services.settle_funding(rates={"BTC/USDT": "0.0001"}, at=MONDAY)
        services.reduce_position(
            position_id=position.pk, spot_quantity="0.04", spot_exit_price="45500"
        )
        for equity in ("100000", "96999.99", "93999.99"):
            services.record_equity(total_equity=equity, at=MONDAY)
        closed = services.close_position(
            position_id=position.pk, spot_exit_price="45500", perp_exit_price="45132.5"
        )
    assert closed.close_reason == "hard_stop"


def test_a_float_would_be_noticed() -> None:
    leg = pnl.Leg(Decimal(1), Decimal(1))
    with floats_refused():
        with pytest.raises((TypeError, FloatOperation)):
            pnl.spot_pnl(leg, 1.5)  # type: ignore[arg-type]
        with pytest.raises((TypeError, FloatOperation)):
            pnl.drawdown(peak=Decimal(2), equity=1.5)  # type: ignore[arg-type]
        with pytest.raises((TypeError, FloatOperation)):
            pnl.is_imbalanced(spot=Decimal(1), perp=Decimal(2), limit=0.5)  # type: ignore[arg-type]
