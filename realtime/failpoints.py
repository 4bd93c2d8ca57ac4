"""Named places at which a test can stop a process: between two steps, not by luck with timing."""

from __future__ import annotations

import os
import signal

VARIABLE = "FAILPOINT"

_armed = os.environ.get(VARIABLE, "")


def reach(name: str) -> None:
    """Kill this process, as a power cut would, when `FAILPOINT` names this place.

    `NAME:COUNT` lets it pass COUNT times first.
    """
    global _armed
    if not _armed:
        return
    wanted, _, count = _armed.partition(":")
    if wanted != name:
        return
    remaining = int(count or 0)
    if remaining > 0:
        _armed = f"{name}:{remaining - 1}"
        return
    os.kill(os.getpid(), signal.SIGKILL)
