"""Accounts, positions, equity and risk of a cash-and-carry desk, published by `realtime`."""
