"""A program: writes at a steady pace, through everything that happens to the database.

usage: python -m tests.faults.support.steady_writer LEDGER PREFIX PER_SECOND
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import django

from tests.e2e.support.ledger_writer import Writer
from tests.e2e.support.ledgers import Ledger

RETRY_SECONDS = 0.2
DRAIN_SECONDS = 10.0


def main(path: str, prefix: str, per_second: str) -> None:
    """Write until SIGTERM; what the database refused is not noted, and not tried again."""
    from django.db import InterfaceError, OperationalError, connection

    from realtime import relay

    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    ledger, writer = Ledger(Path(path)), Writer(prefix)
    while not stopped.wait(1 / float(per_second)):
        try:
            mark = writer.step()
        except (OperationalError, InterfaceError) as error:
            # Whether it was committed, nobody can tell: the stream will.
            print(f"{time.time():.3f} refused: {error}".splitlines()[0])
            connection.close()
            stopped.wait(RETRY_SECONDS)
        else:
            ledger.note(f"{mark} {time.time():.6f}")
    relay.drain(deadline_seconds=DRAIN_SECONDS)


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
