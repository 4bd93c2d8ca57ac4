"""One watcher for each server process: a thread that looks at the accounts and sends alerts.

Every process has one, and any of them is enough: what each does is decided by locks and claims in
the database. Nothing else waits for it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection

from realtime.health import register_part
from trading.alerting import bell
from trading.alerting.outbox import send_next
from trading.conf import risk_conf
from trading.services.watching import watch_accounts

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 60.0

_watcher: Watcher | None = None


class Watcher(threading.Thread):
    """Looks at the accounts at an interval, and sends alerts when the bell rings or one is due."""

    def __init__(self, *, seconds: float) -> None:
        super().__init__(name="risk-watcher", daemon=True)
        self._seconds = seconds
        self._is_stopping = False
        self._failures = 0

    @property
    def failures(self) -> int:
        """How many looks in a row have failed."""
        return self._failures

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._is_stopping = True
        bell.ring()
        if self.is_alive():
            self.join(timeout=5)

    def run(self) -> None:
        """Look and send until stopped, whatever becomes of the database."""
        next_look = time.monotonic()
        while not self._is_stopping:
            try:
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + self._pause()
                    watch_accounts()
                # A look comes first again when there is much to send.
                while not self._is_stopping and time.monotonic() < next_look and send_next():
                    pass
                self._report_recovery()
            except Exception as error:
                self._report(error)
                next_look = time.monotonic() + self._pause()
            finally:
                # Nothing of the database is held between two looks, and no fork inherits it.
                connection.close()
            bell.wait(max(0.0, next_look - time.monotonic()))

    def _pause(self) -> float:
        return min(self._seconds * 2.0 ** min(self._failures, 10), LONGEST_PAUSE_SECONDS)

    def _report(self, error: Exception) -> None:
        self._failures += 1
        if self._failures > 1:
            return
        # A database that is gone needs no traceback; anything else does.
        unexpected = None if isinstance(error, DatabaseError) else error
        logger.error(
            "Accounts are not watched, trying again: %s", type(error).__name__, exc_info=unexpected
        )

    def _report_recovery(self) -> None:
        if self._failures:
            self._failures = 0
            logger.info("Accounts are watched again.")


def start() -> None:
    """Start this process's watcher, unless one runs or RISK_WATCH_SECONDS is 0."""
    global _watcher
    seconds = risk_conf().watch_seconds
    if not seconds or (_watcher is not None and _watcher.is_alive()):
        return
    _watcher = Watcher(seconds=seconds)
    _watcher.start()
    register_part("watcher", check)


def check() -> dict[str, Any] | None:
    """The watcher as a part of `/health`; None where none was started."""
    watcher = _watcher
    if watcher is None:
        return None
    if not watcher.is_alive():
        return {
            "status": "error",
            "message": "The watcher's thread has ended. Restart the process.",
        }
    return {"status": "ok", "failures": watcher.failures}


def stop() -> None:
    """End this process's watcher and wait for its thread; tests do."""
    global _watcher
    watcher, _watcher = _watcher, None
    if watcher is not None:
        watcher.stop()


def _forget() -> None:
    # A forked child inherits this module, but not the thread.
    global _watcher
    _watcher = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
