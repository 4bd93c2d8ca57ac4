"""The bell of this process: rung after a commit that left an alert, heard by its watcher."""

from __future__ import annotations

import os
import threading

_rung = threading.Event()


def ring() -> None:
    """Tell the watcher of this process, if one runs, that there is something to send."""
    _rung.set()


def wait(seconds: float) -> None:
    """Wait until the bell is rung, at most so long; a ring before the call counts."""
    _rung.wait(seconds)
    _rung.clear()


def _forget() -> None:
    # A forked child inherits the lock inside as it was, and it may have been held.
    global _rung
    _rung = threading.Event()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
