"""What trading keeps: accounts, positions and funding, equity, risk and its changes."""

from trading.models.accounts import DEFAULT_ACCOUNT, VIEW_ALL_ACCOUNTS, Account
from trading.models.equity import EquitySnapshot
from trading.models.idempotency import KeptAnswer
from trading.models.positions import LIVE_STATUSES, FundingPayment, Position, PositionStatus
from trading.models.risk import RiskChange, RiskState, RiskStatus

__all__ = [
    "DEFAULT_ACCOUNT",
    "LIVE_STATUSES",
    "VIEW_ALL_ACCOUNTS",
    "Account",
    "EquitySnapshot",
    "FundingPayment",
    "KeptAnswer",
    "Position",
    "PositionStatus",
    "RiskChange",
    "RiskState",
    "RiskStatus",
]
