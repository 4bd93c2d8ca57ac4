"""The processes of the demo: started, watched, and stopped in order."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from types import FrameType

from project.environment import ROOT

START_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.1


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


def wait_until_live(parts: list[Part], url: str, stop_request: StopRequest) -> None:
    """Return when the server answers at `url`; DemoError when it does not, or a part ended."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        stop_request.check()
        check_alive(parts)
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
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
