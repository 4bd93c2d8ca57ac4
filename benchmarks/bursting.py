"""A writer in batches: many events in each transaction, as an import or a repricing makes them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import orjson

from benchmarks.clients import CHANGE_PREFIX

DRAIN_SECONDS = 60.0


def burst(*, first: int, events: int, batch: int, out: str) -> None:
    """Publish that many events, `batch` in a transaction, and write their times to `out`."""
    from django.db import transaction

    from realtime.publishing import publish_entries

    changes: list[dict[str, int]] = []
    for numbers in _batches(range(first, first + events), batch):
        entries = [_entry(number) for number in numbers]
        started_ns = time.monotonic_ns()
        with transaction.atomic():
            publish_entries(entries)
        committed_ns = time.monotonic_ns()
        changes += [
            {"number": number, "started_ns": started_ns, "committed_ns": committed_ns}
            for number in numbers
        ]
    Path(out).write_bytes(orjson.dumps(changes))


def _batches(numbers: range, size: int) -> Iterator[range]:
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


_samples: list[tuple[Any, dict[str, Any]]] = []


def _entry(number: int) -> Any:
    from realtime.log import Action

    if not _samples:
        _samples.extend(_read_samples())
    feed, data = _samples[number % len(_samples)]
    data["strategy_id"] = f"{CHANGE_PREFIX}{number}"
    return feed.entry(data, action=Action.UPDATED, live=True)


def _read_samples() -> list[tuple[Any, dict[str, Any]]]:
    """What a save of each position would publish: the row's write itself is not measured here."""
    from realtime.feeds import feeds
    from trading.models import Position

    feed: Any = feeds()["position_update"]
    return [(feed, dict(feed.data(position))) for position in Position.objects.order_by("pk")]


def main() -> None:
    """Publish as the first argument orders."""
    django.setup()
    from realtime import relay

    burst(**orjson.loads(sys.argv[1]))
    relay.drain(deadline_seconds=DRAIN_SECONDS)
    print("{}")


if __name__ == "__main__":
    main()
