"""`runserver` on our server, so that development has the same close codes and the same drain."""

from __future__ import annotations

from daphne.management.commands.runserver import Command as DaphneCommand

from realtime.daphne.server import RealtimeServer


class Command(DaphneCommand):  # type: ignore[misc] # Daphne ships no types
    """Daphne's `runserver` with our server."""

    server_cls = RealtimeServer
