"""A program: several threads that write the same positions and others, all at once.

usage: python -m tests.e2e.support.contending_writer THREADS STEPS KEY…
It prints as JSON how often it has added to each key's fees and leverage.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django

SYMBOL = "BTC/USDT"


class Writer:
    """One thread's work; the chance decides what and on which of the shared positions."""

    def __init__(self, keys: list[str]) -> None:
        self._keys = keys
        self._own: list[str] = []
        self.fees: Counter[str] = Counter()
        self.leverages: Counter[str] = Counter()

    def work(self, steps: int) -> Writer:
        """Do so many steps, each a transaction."""
        from django.db import connection

        writes = (
            self._add_fee_by_service,
            self._add_leverage_by_expression,
            self._save_a_stale_instance,
            self._open_or_close_one,
            self._reprice_all,
            self._record,
        )
        for _ in range(steps):
            random.choice(writes)(random.choice(self._keys))
        connection.close()
        return self

    def _add_fee_by_service(self, key: str) -> None:
        from django.db import transaction

        from trading import services
        from trading.models import Position

        with transaction.atomic():
            position = Position.objects.select_for_update(no_key=True).get(pk=key)
            services.update_position(position_id=key, fees=position.fees + 1)
        self.fees[key] += 1

    def _add_leverage_by_expression(self, key: str) -> None:
        from django.db.models import F

        from trading.models import Position

        position = Position.objects.get(pk=key)
        position.leverage = F("leverage") + 1
        position.save(update_fields=["leverage"])
        self.leverages[key] += 1

    def _save_a_stale_instance(self, key: str) -> None:
        from trading.models import Position

        position = Position.objects.get(pk=key)
        position.strategy_id = f"stale {random.random()}"
        position.save(update_fields=["strategy_id"])

    def _open_or_close_one(self, _key: str) -> None:
        from tests.e2e.support.actions import close_position, open_position

        if self._own:
            close_position(key=self._own.pop())
        else:
            self._own.append(open_position())

    def _reprice_all(self, _key: str) -> None:
        from trading import services

        price = random.randint(40_000, 50_000)
        services.reprice_positions(prices={SYMBOL: services.Prices(spot=price, perp=price + 1)})

    def _record(self, _key: str) -> None:
        from realtime.system_log import publish_log
        from trading import services

        services.record_equity(total_equity=100_000 + random.randint(0, 100))
        publish_log(level="INFO", message="recorded", module="tests")


def main(threads: str, steps: str, *keys: str) -> dict[str, Any]:
    """Let the threads work; returns what they added."""
    from realtime import relay

    writers = [Writer(list(keys)) for _ in range(int(threads))]
    with ThreadPoolExecutor(len(writers)) as pool:
        done = list(pool.map(lambda writer: writer.work(int(steps)), writers))
    relay.drain(deadline_seconds=10)
    return {
        "fees": sum((writer.fees for writer in done), Counter()),
        "leverages": sum((writer.leverages for writer in done), Counter()),
    }


if __name__ == "__main__":
    django.setup()
    print(json.dumps(main(*sys.argv[1:])))
