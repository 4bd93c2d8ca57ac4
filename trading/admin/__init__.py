"""The admin of the desk: positions and risk to act on, accounts to keep, history to read only."""

from trading.admin import accounts, equity, positions, risk

__all__ = ("accounts", "equity", "positions", "risk")
