"""Garbage is no leak: servers of the soak collect theirs when they are asked to.

What a connection leaves are objects that refer to each other; Python's collector takes them when
enough have come together, minutes later, and until then they look like a leak.
"""

from __future__ import annotations

import ctypes
import gc
import signal
from typing import Any

COLLECT = signal.SIGUSR1
# The server that listens to the signal.
SERVER = ("-m", "tests.soak.server", "-b", "127.0.0.1", "-p", "{port}", "project.asgi:application")


def collect(*_: Any) -> None:
    """Let go of what nobody can reach, and give its memory back to the system (glibc alone can).

    How many objects are left goes to the log: whether Python holds what memory grows by.
    """
    gc.collect()
    print(f"objects after a collection: {len(gc.get_objects())}", flush=True)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
