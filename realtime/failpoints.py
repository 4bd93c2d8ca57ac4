"""Named places at which a test can stop a process: between two steps, not by luck with timing."""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "FAILPOINT"

_armed = os.environ.get(VARIABLE, "")


def reach(name: str) -> None:
    """Kill this process, as a power cut would, when `FAILPOINT` names this place.

    `NAME:COUNT` lets it pass COUNT times first; `NAME:COUNT:SIGNAL` sends another signal, once:
    `STOP` freezes the process, `TERM` asks it to end.
    """
    global _armed
    if not _armed:
        return
    wanted, count, signal_name = (*_armed.split(":"), "", "")[:3]
    if wanted != name:
        return
    remaining = int(count or 0)
    if remaining > 0:
        _armed = f"{name}:{remaining - 1}:{signal_name}"
        return
    # It may go on afterwards.
    _armed = ""
    # To this thread: it would run on for a moment if another one took the signal.
    signal.pthread_kill(threading.get_ident(), signal.Signals[f"SIG{signal_name or 'KILL'}"])
