"""What `make demo` runs: the server with a simulated trader, on a database that is ready to use."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from project.demo_account import HOST, demo_user, issue_token, migrate_database, way_in
from project.parts import (
    Part,
    RunError,
    Stopped,
    StopRequest,
    start_python,
    stop,
    wait_until_live,
    watch,
)
from project.ports import check_port_is_free, port_from

COMMAND = "make demo"


def main() -> int:
    """Run until Ctrl-C, SIGTERM or the end of a part; returns the exit code."""
    stop_request = StopRequest()
    stop_request.listen()
    try:
        port = port_from(os.environ.get("PORT", ""), command=COMMAND)
        check_port_is_free(HOST, port, command=COMMAND)
        token = prepare()
        with running(port) as parts:
            wait_until_live(parts, f"http://{HOST}:{port}/livez", stop_request)
            print(way_in(port, token), flush=True)
            watch(parts, stop_request)
    except RunError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except Stopped:
        print("demo: stopped.")
    return 0


def prepare() -> str:
    """Migrate the database, make the demo's account where that is safe, return a new token."""
    migrate_database()
    from django.conf import settings

    refuse_real_rows()
    return issue_token(demo_user(host=HOST, debug=settings.DEBUG), name=COMMAND)


def refuse_real_rows() -> None:
    """Raise RunError where a real book is: neither demo/demo nor simulated rows belong there."""
    from trading.selectors import count_rows_that_are_not_simulated

    if any(count_rows_that_are_not_simulated()):
        raise RunError(
            "this database holds positions or equity readings that are not simulated. "
            "Choose another: DATABASE_URL=sqlite:///demo.sqlite3 make demo"
        )


@contextlib.contextmanager
def running(port: int) -> Iterator[list[Part]]:
    """The server and the trader as processes; both are stopped at the end, the trader first."""
    parts: list[Part] = []
    server = ("-m", "realtime.daphne", "-b", HOST, "-p", str(port), "project.asgi:application")
    try:
        parts.append(start_python("the server", *server))
        parts.append(start_python("the simulated trader", "manage.py", "simulate", "--speed", "1"))
        yield parts
    finally:
        stop(reversed(parts))


if __name__ == "__main__":
    sys.exit(main())
