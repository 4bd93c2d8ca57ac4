"""Saves rows with and without an event, in turn, and prints how long each took."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import django
import orjson

DRAIN_SECONDS = 30.0
REPRICED = ("spot_current_price", "perp_current_price", "unrealized_pnl", "updated_at")


def make_plain_twin(published: Any) -> Any:
    """A model of the same table whose saves are Django's own and nobody's business."""
    from django.db import models

    def cloned(field: Any) -> Any:
        clone = field.clone()
        if field.is_relation:
            clone.remote_field.related_name = "+"
        return clone

    options = {"app_label": "benchmarks", "db_table": published._meta.db_table, "managed": False}
    attributes = {field.name: cloned(field) for field in published._meta.concrete_fields}
    attributes |= {"__module__": __name__, "Meta": type("Meta", (), options)}
    return type("PlainPosition", (models.Model,), attributes)


def save_whole(row: Any, number: int) -> None:
    """A change of an existing row, every column written."""
    reprice(row, number)
    row.save()


def save_named(row: Any, number: int) -> None:
    """A change of an existing row, named columns written, as services do."""
    reprice(row, number)
    row.save(update_fields=REPRICED)


def insert(row: Any, number: int) -> None:
    """A new row."""
    reprice(row, number)
    row.pk = uuid4()
    row.save(force_insert=True)


def reprice(row: Any, number: int) -> None:
    """Change what a quote changes."""
    row.spot_current_price = Decimal(100 + number % 97)
    row.perp_current_price = Decimal(100 + number % 89)
    row.unrealized_pnl = row.spot_current_price - row.perp_current_price


WAYS: dict[str, Callable[[Any, int], None]] = {
    "save": save_whole,
    "save_named": save_named,
    "insert": insert,
}


def compare(*, rounds: int, saves: int) -> list[dict[str, Any]]:
    """For each way and round the times of plain and published saves, in microseconds."""
    from realtime import relay
    from trading.models import Position

    key = Position.objects.order_by("pk").values_list("pk", flat=True)[0]
    published = Position.objects.get(pk=key)
    plain = make_plain_twin(Position)._default_manager.get(pk=key)
    found = []
    for number in range(-1, rounds):
        for way, save in WAYS.items():
            record: dict[str, Any] = {"way": way, "round": number}
            # Who goes first changes, so that what slows down over time slows both.
            for name, row in sorted({"plain": plain, "published": published}.items())[
                :: 1 if number % 2 else -1
            ]:
                record[f"{name}_us"] = _times(save, row, saves)
                # Events that still wait must not slow the other half.
                relay.drain(deadline_seconds=DRAIN_SECONDS)
            # The first round warms up.
            if number >= 0:
                found.append(record)
    return found


def _times(save: Callable[[Any, int], None], row: Any, saves: int) -> list[float]:
    times = []
    for number in range(saves):
        started = time.perf_counter_ns()
        save(row, number)
        times.append((time.perf_counter_ns() - started) / 1000)
    return times


def main() -> None:
    """Compare as the first argument orders."""
    # Nobody else is measured, so the scheduler may choose, as it would for any writer.
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    django.setup()
    print(orjson.dumps(compare(**orjson.loads(sys.argv[1]))).decode())


if __name__ == "__main__":
    main()
