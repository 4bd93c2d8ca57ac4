"""REST of trading: views that translate; the work is in services, selectors and serializers."""

from trading.api.equity import Equity, EquityExport
from trading.api.fills import Fills, ReducePosition, StartPosition
from trading.api.positions import ClosePosition, PositionDetail, PositionList, PositionsExport
from trading.api.risk import HardStop, Resume, Risk, RiskExport, SoftPause

__all__ = [
    "ClosePosition",
    "Equity",
    "EquityExport",
    "Fills",
    "HardStop",
    "PositionDetail",
    "PositionList",
    "PositionsExport",
    "ReducePosition",
    "Resume",
    "Risk",
    "RiskExport",
    "SoftPause",
    "StartPosition",
]
