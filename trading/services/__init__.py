"""Every write of trading: each service is one transaction that locks what it decides upon."""

from trading.services.equity import record_equity
from trading.services.funding import accrue_funding, settle_funding
from trading.services.idempotency import Answer, answer_once
from trading.services.positions import (
    Prices,
    close_position,
    open_position,
    reprice_positions,
    update_position,
)
from trading.services.risk import hard_stop, restart_measuring, resume_trading, soft_pause

__all__ = [
    "Answer",
    "Prices",
    "accrue_funding",
    "answer_once",
    "close_position",
    "hard_stop",
    "open_position",
    "record_equity",
    "reprice_positions",
    "restart_measuring",
    "resume_trading",
    "settle_funding",
    "soft_pause",
    "update_position",
]
