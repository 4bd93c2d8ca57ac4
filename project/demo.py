"""What `make demo` runs: the server with a simulated trader, on a database that is ready to use."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import django

from project.parts import (
    DemoError,
    Part,
    Stopped,
    StopRequest,
    start,
    stop,
    wait_until_live,
    watch,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

HOST = "127.0.0.1"
DEFAULT_PORT = 8000
DEMO_NAME = DEMO_PASSWORD = "demo"
DEMO_TOKEN_NAME = "make demo"
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


def main() -> int:
    """Run until Ctrl-C, SIGTERM or the end of a part; returns the exit code."""
    stop_request = StopRequest()
    stop_request.listen()
    try:
        port = port_from(os.environ.get("PORT", ""))
        check_port_is_free(HOST, port)
        token = prepare()
        with running(port) as parts:
            wait_until_live(parts, f"http://{HOST}:{port}/livez", stop_request)
            print(welcome(port, token), flush=True)
            watch(parts, stop_request)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except Stopped:
        print("demo: stopped.")
    return 0


def port_from(text: str) -> int:
    """The port that `text` names, or the default one for empty text."""
    if not text:
        return DEFAULT_PORT
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise DemoError(f"PORT={text} is not a port. Use a number, as in: PORT=8001 make demo")
    return int(text)


def check_port_is_free(host: str, port: int) -> None:
    """Raise DemoError with the remedy when somebody listens on that port, or may not."""
    with socket.socket() as probe:
        # As servers do, or a port that was just released would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise DemoError(
                f"port {port} is for the system's services. Use another: PORT=8001 make demo"
            ) from None
        except OSError:
            other = port + 1 if port < 65535 else DEFAULT_PORT
            raise DemoError(
                f"port {port} on {host} is taken. Stop what uses it, or use another: "
                f"PORT={other} make demo"
            ) from None


def prepare() -> str:
    """Migrate the database, make the demo's account where that is safe, return a new token."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import Error

    try:
        call_command("migrate", interactive=False, verbosity=0)
    except Error as error:
        reason = str(error).strip().splitlines()[0]
        raise DemoError(f"the database cannot be used: {reason}") from None
    refuse_real_rows()
    return issue_token(demo_user(host=HOST, debug=settings.DEBUG))


def refuse_real_rows() -> None:
    """Raise DemoError where a real book is: neither demo/demo nor simulated rows belong there."""
    from trading.selectors import count_rows_that_are_not_simulated

    if any(count_rows_that_are_not_simulated()):
        raise DemoError(
            "this database holds positions or equity readings that are not simulated. "
            "Choose another: DATABASE_URL=sqlite:///demo.sqlite3 make demo"
        )


def demo_user(*, host: str, debug: bool) -> User:
    """The superuser demo/demo, made only for a server on loopback in DEBUG; else DemoError."""
    from django.contrib.auth.models import User

    if host not in LOOPBACK_HOSTS or not debug:
        raise DemoError(
            "the account demo/demo exists only on loopback with DEBUG=1. "
            "Unset DEBUG, or run the service itself: make run"
        )
    user, is_new = User.objects.get_or_create(
        username=DEMO_NAME, defaults={"is_staff": True, "is_superuser": True}
    )
    if is_new:
        user.set_password(DEMO_PASSWORD)
        user.save(update_fields=["password"])
    return user


def issue_token(user: User) -> str:
    """A new token for `user`; those of earlier demos are deleted."""
    from realtime.auth.tokens import create_token
    from realtime.models import ApiToken

    ApiToken.objects.filter(user=user, name=DEMO_TOKEN_NAME).delete()
    _, key = create_token(user, name=DEMO_TOKEN_NAME)
    return key


@contextlib.contextmanager
def running(port: int) -> Iterator[list[Part]]:
    """The server and the trader as processes; both are stopped at the end, whatever happened."""
    parts: list[Part] = []
    server = ("-m", "realtime.daphne", "-b", HOST, "-p", str(port), "project.asgi:application")
    try:
        parts.append(start("the server", *server))
        parts.append(start("the simulated trader", "manage.py", "simulate", "--speed", "1"))
        yield parts
    finally:
        stop(parts)


def welcome(port: int, token: str) -> str:
    """What to open and what to paste."""
    python = os.path.relpath(sys.executable) if sys.prefix != sys.base_prefix else sys.executable
    return f"""
  Page      http://{HOST}:{port}/        Admin  http://{HOST}:{port}/admin/
  Login     {DEMO_NAME} / {DEMO_PASSWORD}
  Token     {token}
  Stream    REALTIME_TOKEN={token} {python} -m realtime.client ws://{HOST}:{port}/ws

  The last line, pasted into another terminal, shows the stream. Ctrl-C stops everything.
"""


if __name__ == "__main__":
    sys.exit(main())
