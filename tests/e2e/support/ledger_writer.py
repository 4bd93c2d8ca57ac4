"""A program: writes without end, and notes in its ledger each commit that has returned.

usage: python -m tests.e2e.support.ledger_writer LEDGER PREFIX
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import django

from tests.e2e.support.ledgers import Ledger

ROLLED_BACK = "rolled-back"
MOST_POSITIONS = 10
SYMBOLS = ("BTC/USDT", "ETH/USDT")


class Undone(Exception):
    """What rolls a transaction back."""


class Writer:
    """Opens, changes and closes positions, and logs; each commit carries a mark of its own."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._number = 0
        self._open: list[str] = []

    def step(self) -> str:
        """Commit one change; returns its mark. Before some, another is rolled back."""
        self._number += 1
        mark = f"{self._prefix}-{self._number}"
        if self._number % 4 == 0:
            self._roll_back(mark)
        self._choose()(mark)
        return mark

    def _choose(self) -> Callable[[str], None]:
        if len(self._open) > MOST_POSITIONS:
            return self._close_oldest
        steps = (self._open_one, self._update_newest, self._log)
        return steps[self._number % len(steps)] if self._open else self._open_one

    def _open_one(self, mark: str) -> None:
        from tests.e2e.support.actions import open_position

        symbol = SYMBOLS[self._number % len(SYMBOLS)]
        self._open.append(open_position(strategy_id=mark, symbol=symbol))

    def _update_newest(self, mark: str) -> None:
        from trading import services

        services.update_position(position_id=self._open[-1], strategy_id=mark)

    def _close_oldest(self, mark: str) -> None:
        from trading import services

        services.close_position(
            position_id=self._open.pop(0), spot_exit_price=1, perp_exit_price=1, reason=mark
        )

    def _log(self, mark: str) -> None:
        from django.db import transaction

        from realtime.system_log import publish_log

        with transaction.atomic():
            publish_log(level="INFO", message=mark, module="tests")

    def _roll_back(self, mark: str) -> None:
        from django.db import transaction

        from tests.e2e.support.actions import open_position

        try:
            with transaction.atomic():
                open_position(strategy_id=f"{ROLLED_BACK}-{mark}")
                self._log(f"{ROLLED_BACK}-{mark}")
                raise Undone
        except Undone:
            pass


def main(path: str, prefix: str) -> None:
    """Write until SIGTERM."""
    from realtime import relay

    is_asked_to_stop = False

    def stop(*_: object) -> None:
        nonlocal is_asked_to_stop
        is_asked_to_stop = True

    signal.signal(signal.SIGTERM, stop)
    ledger, writer = Ledger(Path(path)), Writer(prefix)
    while not is_asked_to_stop:
        ledger.note(writer.step())
    relay.drain(deadline_seconds=10)


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
