"""A program: the project's server, which collects its garbage when it is asked to.

What a connection leaves are objects that refer to each other; Python's collector takes them when
enough have come together, minutes later. They are no leak, and would look like one.

usage: python -m tests.soak.server OPTION… project.asgi:application
"""

from __future__ import annotations

import ctypes
import gc
import signal
from typing import Any

from realtime.daphne.cli import RealtimeCommandLineInterface

COLLECT = signal.SIGUSR1
SERVER = ("-m", "tests.soak.server", "-b", "127.0.0.1", "-p", "{port}", "project.asgi:application")


def collect(*_: Any) -> None:
    """Let go of what nobody can reach, and give its memory back to the system (glibc alone can)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class CollectingCommandLineInterface(RealtimeCommandLineInterface):
    """Daphne's command line on our server."""

    def load_asgi_app(self, asgi_app_path: str) -> Any:
        """Import the application, and listen to the signal."""
        signal.signal(COLLECT, collect)
        return super().load_asgi_app(asgi_app_path)


if __name__ == "__main__":
    CollectingCommandLineInterface.entrypoint()
