"""Daphne's command line on our server."""

from __future__ import annotations

import sys
from typing import Any

from daphne.cli import CommandLineInterface
from django.core.exceptions import ImproperlyConfigured

from realtime.daphne.server import RealtimeServer


class RealtimeCommandLineInterface(CommandLineInterface):
    """All of Daphne's options; a bad setting ends it with its sentence, not with a traceback."""

    server_class = RealtimeServer

    def load_asgi_app(self, asgi_app_path: str) -> Any:
        """Import the application."""
        try:
            return super().load_asgi_app(asgi_app_path)
        except ImproperlyConfigured as error:
            sys.exit(f"The server cannot start: {error}")
