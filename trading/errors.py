"""What services refuse, and why: an error's docstring is its message, its code the API's."""

from __future__ import annotations

import inspect
from typing import ClassVar


class TradingError(Exception):
    """A trading rule forbids this."""

    code: ClassVar[str] = "trading_error"

    def __init__(self, *, field: str | None = None, **details: object) -> None:
        template = inspect.getdoc(type(self)) or self.code
        self.message = template.format(field=field, **details)
        self.fields: dict[str, str] = {field: self.message} if field else {}
        super().__init__(self.message)


class InvalidInput(TradingError):
    """A value makes no sense."""

    code = "invalid_value"


class NotFound(TradingError):
    """There is no such object."""

    code = "not_found"


class Conflict(TradingError):
    """The present state forbids this."""

    code = "conflict"


class KeyReused(TradingError):
    """The Idempotency-Key {key!r} was used for another request: choose a new one for this."""

    code = "idempotency_key_reused"


class InvalidSymbol(InvalidInput):
    """{value!r} is no symbol: write BASE/QUOTE in capitals, such as BTC/USDT."""

    code = "invalid_symbol"


class InvalidAmount(InvalidInput):
    """{field} is {value!r}: {problem}."""

    code = "invalid_amount"


class InvalidPrice(InvalidAmount):
    """{field} is {value!r}: {problem}."""

    code = "invalid_price"


class InvalidQuantity(InvalidAmount):
    """{field} is {value!r}: {problem}."""

    code = "invalid_quantity"


class InvalidTime(InvalidInput):
    """{field} is {value!r}: a market time needs a time zone."""

    code = "invalid_time"


class InvalidText(InvalidInput):
    """{field} is {value!r}: {problem}."""

    code = "invalid_text"


class ReasonRequired(InvalidInput):
    """Say why: a change of the risk status needs a reason."""

    code = "reason_required"


class AccountNotFound(NotFound):
    """There is no account {account!r}."""

    code = "account_not_found"


class PositionNotFound(NotFound):
    """There is no position {position_id}."""

    code = "position_not_found"


class PositionExists(Conflict):
    """There is a position {position_id} already."""

    code = "position_exists"


class StalePosition(Conflict):
    """Position {position_id} has changed since {seen}: read it again, it is of {updated_at} now."""

    code = "stale"


class PositionAlreadyClosed(Conflict):
    """Position {position_id} is closed already."""

    code = "position_already_closed"


class FillExists(Conflict):
    """Position {position_id} has a {leg} fill {fill_id!r} already, and it says something else."""

    code = "fill_exists"


class QuantityNotHeld(Conflict):
    """{field} is {quantity}: the {leg} leg holds {held}."""

    code = "quantity_not_held"


class TradingPaused(Conflict):
    """Account {account!r} opens no new positions: {status}. {reason}"""

    code = "trading_paused"


class TradingNotPaused(Conflict):
    """Account {account!r} trades normally: there is nothing to resume."""

    code = "trading_not_paused"


class HardStopped(Conflict):
    """Account {account!r} is stopped hard; a pause would loosen that. Resume it instead."""

    code = "hard_stopped"


class FundingAlreadyAccrued(Conflict):
    """Position {position_id} has its funding of {at} already."""

    code = "funding_already_accrued"


class FundingAfterClose(Conflict):
    """Position {position_id} was closed before {at}: it earns no funding of that time."""

    code = "funding_after_close"


class ReadingOutOfOrder(Conflict):
    """A reading of {day} comes too late: account {account!r} has one of {newest_day}."""

    code = "reading_out_of_order"


class HistoryIsFinal(Conflict):
    """{model} rows are history: they are added, never changed or removed."""

    code = "history_is_final"
