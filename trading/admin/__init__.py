"""The admin of the desk: positions and risk to act on, accounts to keep, history to read only."""

from trading.admin import accounts, alerts, equity, positions, risk

__all__ = ("accounts", "alerts", "equity", "positions", "risk")
