"""The paced writer: changes positions through the service, and notes when each was committed."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import django
import orjson

from benchmarks.clients import CHANGE_PREFIX

DRAIN_SECONDS = 5.0


def write(*, per_second: float, seconds: float, seed: int, out: str) -> None:
    """Make `per_second` changes for `seconds`, and write their times to the file `out`."""
    from trading.models import Position

    keys = sorted(Position.objects.values_list("pk", flat=True))
    chooser = random.Random(seed)
    changes: list[dict[str, int]] = []
    for number in paced(per_second=per_second, seconds=seconds, seed=seed):
        changes.append(change(chooser.choice(keys), number))
    # A reader never sees half a file.
    unfinished = Path(f"{out}.part")
    unfinished.write_bytes(orjson.dumps(changes))
    unfinished.rename(out)


def change(key: Any, number: int) -> dict[str, int]:
    """Change one position; returns the moments of its start and of its commit."""
    from django.db import transaction

    from trading.services import positions

    committed: list[int] = []
    started_ns = time.monotonic_ns()
    with transaction.atomic():
        # First of all that follows the commit, before the relay is woken.
        transaction.on_commit(lambda: committed.append(time.monotonic_ns()))
        positions.update_position(
            position_id=key,
            spot_current_price=Decimal(10_000 + number % 97) / 8,
            perp_current_price=Decimal(10_000 + number % 89) / 8,
            strategy_id=f"{CHANGE_PREFIX}{number}",
        )
    return {"number": number, "started_ns": started_ns, "committed_ns": committed[0]}


def paced(*, per_second: float, seconds: float, seed: int) -> Iterator[int]:
    """Numbers, each at a random moment of its own slot: no rhythm for a poll to fall into."""
    chooser = random.Random(seed)
    began = time.monotonic()
    for number in range(int(per_second * seconds)):
        moment = began + (number + chooser.random()) / per_second
        time.sleep(max(0.0, moment - time.monotonic()))
        yield number


def main() -> None:
    """Write as the first argument orders, in a process of its own."""
    django.setup()
    from realtime import relay

    write(**orjson.loads(sys.argv[1]))
    relay.drain(deadline_seconds=DRAIN_SECONDS)
    print("{}")


if __name__ == "__main__":
    main()
