"""What a test can have done in another process; only the desk's worker imports this."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from realtime.system_log import publish_log
from trading import services
from trading.models import Account, Position, RiskStatus

OPENED_AT = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
POSITION = {
    "symbol": "BTC/USDT",
    "spot_entry_price": "45000",
    "perp_entry_price": "45010.5",
    "spot_quantity": "0.1",
    "perp_quantity": "0.1",
}


class Undone(Exception):
    """What rolls a transaction back."""


def publish_logs(*, messages: list[str]) -> None:
    """Publish lines of the system log, each in a transaction of its own."""
    for message in messages:
        publish_log(level="INFO", message=message, module="tests")


def publish_logs_at_once(*, count: int, characters: int) -> None:
    """Publish many long lines in one transaction."""
    with transaction.atomic():
        for number in range(count):
            publish_log(level="INFO", message=f"{number:0{characters}}", module="tests")


def open_position(**changes: str) -> str:
    """Open a position by the service; returns its key."""
    values: dict[str, Any] = POSITION | changes
    return str(services.open_position(**values).pk)


def record_equity(*, total_equity: str) -> None:
    """Record a reading of the default account, now."""
    services.record_equity(total_equity=total_equity)


def record_fill(*, key: str, **fill: str) -> None:
    """Record a fill of a position, now."""
    services.record_fill(position_id=key, **fill)


def close_position(*, key: str) -> None:
    """Close a position by the service."""
    services.close_position(position_id=key, spot_exit_price="46000", perp_exit_price="46001")


def save(*, key: str) -> None:
    """Save a whole instance."""
    position = Position.objects.get(pk=key)
    position.strategy_id = "saved"
    position.fees = Decimal("1.25")
    position.save()


def save_one_field_of_two_that_changed(*, key: str) -> None:
    """The instance holds a strategy that is not saved."""
    position = Position.objects.get(pk=key)
    position.strategy_id = "never saved"
    position.fees = Decimal("2.5")
    position.save(update_fields=["fees"])


def save_an_expression(*, key: str) -> None:
    """The instance holds an expression where the row has a number."""
    position = Position.objects.get(pk=key)
    position.leverage = F("leverage") + 2
    position.save(update_fields=["leverage"])


def save_two_stale_instances(*, key: str) -> None:
    """Both were read before either was saved."""
    one, other = (Position.objects.get(pk=key) for _ in range(2))
    one.strategy_id = "of the one"
    one.save(update_fields=["strategy_id"])
    other.close_reason = "of the other"
    other.save(update_fields=["close_reason"])


def save_more_decimals_than_a_column_holds(*, key: str) -> None:
    """The database rounds; the instance does not."""
    position = Position.objects.get(pk=key)
    position.fees = Decimal("0.123456785999")
    position.save()


def create() -> str:
    """Create a row past the services."""
    values: dict[str, Any] = POSITION
    return str(
        Position.objects.create(
            account_id="default", opened_at=OPENED_AT, recorded_at=OPENED_AT, **values
        ).pk
    )


def delete(*, key: str) -> None:
    """Delete a row."""
    Position.objects.get(pk=key).delete()


def make_account(*, name: str) -> None:
    """An account with readings of equity and a risk status."""
    Account.objects.create(pk=name)
    services.record_equity(account=name, total_equity="1000")
    services.record_equity(account=name, total_equity="1010")


def delete_account(*, name: str) -> None:
    """Delete an account: its equity and risk status go by cascade."""
    Account.objects.get(pk=name).delete()


def write_in_bulk(*, keys: list[str]) -> None:
    """Update by a query set, then by `bulk_update`."""
    rows = Position.objects.filter(pk__in=keys)
    rows.update(strategy_id="in bulk", leverage=F("leverage") + 1)
    positions = list(rows.order_by("pk"))
    for number, position in enumerate(positions, start=1):
        position.fees = Decimal(number)
    Position.objects.bulk_update(positions, ["fees"])


def delete_in_bulk(*, keys: list[str]) -> None:
    """Delete by a query set."""
    Position.objects.filter(pk__in=keys).delete()


def write_in_nested_transactions(*, key: str) -> None:
    """The savepoints that are rolled back leave nothing, the others their events."""
    with transaction.atomic():
        _set_strategy(key, "outer")
        for name, is_undone in (("undone", True), ("kept", False), ("undone again", True)):
            _in_savepoint(key, name, is_undone=is_undone)
        publish_log(level="INFO", message="in the same transaction", module="tests")


def write_and_roll_back(*, key: str) -> None:
    """Nothing of this is committed."""
    try:
        with transaction.atomic():
            _set_strategy(key, "undone")
            open_position()
            close_position(key=key)
            services.record_equity(total_equity="5")
            publish_log(level="INFO", message="undone", module="tests")
            raise Undone
    except Undone:
        pass


def fail_in_the_database(*, key: str) -> None:
    """The database refuses the second write: the first goes with it."""
    try:
        with transaction.atomic():
            _set_strategy(key, "undone")
            Position.objects.filter(pk=key).update(leverage=0)
    except IntegrityError:
        return
    raise AssertionError("the database took a leverage of zero")


def write_asynchronously(*, key: str) -> str:
    """Create and save by the asynchronous ORM; returns the new row's key."""

    async def write() -> str:
        values: dict[str, Any] = POSITION
        made = await Position.objects.acreate(
            account_id="default", opened_at=OPENED_AT, recorded_at=OPENED_AT, **values
        )
        position = await Position.objects.aget(pk=key)
        position.strategy_id = "asynchronous"
        await position.asave(update_fields=["strategy_id"])
        gone = await Position.objects.aget(pk=made.pk)
        await gone.adelete()
        return str(made.pk)

    return asyncio.run(write())


def pause_and_resume() -> None:
    """A person's decisions about risk."""
    services.soft_pause(reason="A look at it.")
    services.resume_trading(reason="It is well.")
    assert RiskStatus.objects.get(pk="default").status == "normal"


def _set_strategy(key: str, name: str) -> None:
    position = Position.objects.select_for_update().get(pk=key)
    position.strategy_id = name
    position.save(update_fields=["strategy_id"])


def _in_savepoint(key: str, name: str, *, is_undone: bool) -> None:
    try:
        with transaction.atomic():
            _set_strategy(key, name)
            if is_undone:
                raise Undone
    except Undone:
        pass
