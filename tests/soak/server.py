"""A program: the project's server, which collects its garbage when it is asked to.

usage: python -m tests.soak.server OPTION… project.asgi:application
"""

from __future__ import annotations

import signal
from typing import Any

from realtime.daphne.cli import RealtimeCommandLineInterface
from tests.soak.collecting import COLLECT, collect


class CollectingCommandLineInterface(RealtimeCommandLineInterface):
    """Daphne's command line on our server."""

    def load_asgi_app(self, asgi_app_path: str) -> Any:
        """Import the application, and listen to the signal."""
        signal.signal(COLLECT, collect)
        return super().load_asgi_app(asgi_app_path)


if __name__ == "__main__":
    CollectingCommandLineInterface.entrypoint()
