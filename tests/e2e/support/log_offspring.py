"""A program: logs, and ends in some way or other; `NAME` says which."""

from __future__ import annotations

import atexit
import faulthandler
import logging
import os
import sys
import time

import django

logger = logging.getLogger("desk.worker")
FLUSH_SECONDS = 15.0
CHILDREN = 12


def exit_after_a_line() -> None:
    """The interpreter exits right after a line."""
    logger.info("last words")


def fail_in_a_transaction() -> None:
    """A transaction fails, and with it the program."""
    from django.db import transaction

    with transaction.atomic():
        logger.error("it fails")
        raise SystemExit(0)


def log_at_exit() -> None:
    """An exit handler logs: no thread may start there, and none runs."""
    atexit.register(logger.error, "at exit")


def fork_children() -> None:
    """The parent's lines wait, or are just being written, when a child is made."""
    for number in range(CHILDREN):
        logger.info("parent before %d", number)
        # At all moments of the thread's work.
        time.sleep(number / 1000)
        child = os.fork()
        if child == 0:
            log_in_a_child(number)
        logger.info("parent meanwhile %d", number)
        assert os.waitpid(child, 0)[1] == 0, number


def log_in_a_child(number: int) -> None:
    """Log, wait until it is written, and end without any cleaning up."""
    from realtime.loghandler import handler as loghandler

    faulthandler.dump_traceback_later(FLUSH_SECONDS)
    logger.info("child %d", number)
    is_done = loghandler.flush(deadline_seconds=FLUSH_SECONDS)
    os._exit(0 if is_done else 1)


if __name__ == "__main__":
    django.setup()
    globals()[sys.argv[1]]()
