"""What `make demo` runs: the server with a simulated trader, on a database that is ready to use."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import django

from project.environment import ROOT

if TYPE_CHECKING:
    from django.contrib.auth.models import User

HOST = "127.0.0.1"
DEFAULT_PORT = 8000
DEMO_NAME = DEMO_PASSWORD = "demo"
DEMO_TOKEN_NAME = "make demo"
START_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.1
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


class DemoError(Exception):
    """The demo cannot run, or a part of it ended; the message says which and why."""


class Stopped(Exception):
    """The demo was asked to stop: no error."""


class StopRequest:
    """Remembers Ctrl-C and SIGTERM until a place where no half-started part would be left."""

    def __init__(self) -> None:
        self.is_made = False

    def listen(self) -> None:
        """Take the signals that end a program from now on."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.is_made = True

    def check(self) -> None:
        """Raise Stopped when the demo was asked to stop."""
        if self.is_made:
            raise Stopped


@dataclass(frozen=True)
class Part:
    """One process of the demo."""

    name: str
    process: subprocess.Popen[bytes]


def main() -> int:
    """Run until Ctrl-C, SIGTERM or the end of a part; returns the exit code."""
    stop_request = StopRequest()
    stop_request.listen()
    try:
        port = port_from(os.environ.get("PORT", ""))
        check_port_is_free(HOST, port)
        token = prepare()
        with running(port) as parts:
            wait_until_live(parts, port, stop_request)
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
    from realtime.models import ApiToken
    from realtime.tokens import create_token

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


def start(name: str, *arguments: str) -> Part:
    """Start one part with this interpreter."""
    # A session of its own: Ctrl-C reaches the demo alone, which then stops the parts in order.
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    return Part(name, process)


def stop(parts: list[Part]) -> None:
    """Ask the parts to end, the trader first; kill what does not."""
    for part in reversed(parts):
        if part.process.poll() is None:
            part.process.terminate()
            try:
                part.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                part.process.kill()
                part.process.wait()


def wait_until_live(parts: list[Part], port: int, stop_request: StopRequest) -> None:
    """Return when the server answers; DemoError when it does not, or a part ended."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        stop_request.check()
        check_alive(parts)
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/livez", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_SECONDS)
    raise DemoError(f"the server did not answer within {START_SECONDS:.0f} seconds.")


def watch(parts: list[Part], stop_request: StopRequest) -> None:
    """Wait until somebody asks to stop, or a part ends, which is an error."""
    while True:
        stop_request.check()
        check_alive(parts)
        time.sleep(POLL_SECONDS)


def check_alive(parts: list[Part]) -> None:
    """Raise DemoError when a part has ended."""
    for part in parts:
        code = part.process.poll()
        if code is not None:
            how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            raise DemoError(f"{part.name} ended ({how}); its last lines above say why.")


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
