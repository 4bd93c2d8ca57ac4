"""A program: the server with a leak of one sort, for the test that the soak finds it.

usage: python -m tests.soak.leaking SORT OPTION… project.asgi:application
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from tests.soak.server import CollectingCommandLineInterface

# So much is kept of each connection that has gone: a state with its buffers.
KEPT_BYTES = 64 * 1024
VISITS_A_CONNECTION = 20


def leak_memory() -> None:
    """Keep something of every connection that has gone."""
    from realtime.hub import Hub

    kept: list[bytearray] = []
    leave = Hub.leave

    def leave_something(self: Hub, member: Any) -> None:
        kept.append(bytearray(KEPT_BYTES))
        leave(self, member)

    Hub.leave = leave_something


def leak_members() -> None:
    """Forget no connection that has gone."""
    from realtime.hub import Hub

    Hub.leave = lambda self, member: member.delivery.stop()


def leak_database_connections() -> None:
    """Open a connection for every twentieth visitor, and close none."""
    import psycopg
    from django.db import connection

    from realtime.hub import Hub

    kept: list[psycopg.Connection[Any]] = []
    leave = Hub.leave
    visits = 0

    def leave_a_connection(self: Hub, member: Any) -> None:
        nonlocal visits
        visits += 1
        if visits % VISITS_A_CONNECTION == 0:
            kept.append(psycopg.connect(**connection.get_connection_params()))
        leave(self, member)

    Hub.leave = leave_a_connection


SORTS: dict[str, Callable[[], None]] = {
    "memory": leak_memory,
    "members": leak_members,
    "database-connections": leak_database_connections,
}


class LeakingCommandLineInterface(CollectingCommandLineInterface):
    """Spoils the project's application once it is loaded."""

    sort = ""

    def load_asgi_app(self, asgi_app_path: str) -> Any:
        """Import the application, then let it leak."""
        application = super().load_asgi_app(asgi_app_path)
        SORTS[self.sort]()
        return application


if __name__ == "__main__":
    LeakingCommandLineInterface.sort = sys.argv.pop(1)
    LeakingCommandLineInterface.entrypoint()
