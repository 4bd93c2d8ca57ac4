"""What trading keeps: accounts, positions, fills, funding, equity, risk, changes and alerts."""

from trading.models.accounts import DEFAULT_ACCOUNT, VIEW_ALL_ACCOUNTS, Account
from trading.models.alerts import Alert, AlertChannel, AlertKind, AlertState
from trading.models.equity import EquitySnapshot
from trading.models.fills import Fill, FillEffect, FillLeg
from trading.models.idempotency import KeptAnswer
from trading.models.positions import LIVE_STATUSES, FundingPayment, Position, PositionStatus
from trading.models.risk import RiskChange, RiskState, RiskStatus

__all__ = [
    "DEFAULT_ACCOUNT",
    "LIVE_STATUSES",
    "VIEW_ALL_ACCOUNTS",
    "Account",
    "Alert",
    "AlertChannel",
    "AlertKind",
    "AlertState",
    "EquitySnapshot",
    "Fill",
    "FillEffect",
    "FillLeg",
    "FundingPayment",
    "KeptAnswer",
    "Position",
    "PositionStatus",
    "RiskChange",
    "RiskState",
    "RiskStatus",
]
