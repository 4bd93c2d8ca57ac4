"""A program: publishes an event in a transaction that stays open until SIGTERM.

usage: python -m tests.faults.support.long_transaction LEDGER MARK

It prints `open` when the event is written, and notes the mark when it is committed.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import django

from tests.e2e.support.ledgers import Ledger
from tests.faults.support.steady_writer import DRAIN_SECONDS


def main(path: str, mark: str) -> None:
    """Hold the transaction open, and commit it when asked to."""
    from django.db import connection, transaction

    from realtime import relay
    from realtime.system_log import publish_log

    may_commit = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: may_commit.set())
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        publish_log(level="INFO", message=mark, module="tests")
        print("open")
        may_commit.wait()
    Ledger(Path(path)).note(f"{mark} {time.time():.6f}")
    relay.drain(deadline_seconds=DRAIN_SECONDS)


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
