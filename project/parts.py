"""The processes of a demo or a cluster: started, watched, and stopped in order."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from project.environment import ROOT

START_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.1


class RunError(Exception):
    """It cannot run, or a part of it ended; the message says which and why."""


class Stopped(Exception):
    """It was asked to stop: no error."""


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
        """Raise Stopped when it was asked to stop."""
        if self.is_made:
            raise Stopped


@dataclass(frozen=True)
class Part:
    """One process, the signal that lets it end in order, and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals = signal.SIGTERM
    log: Path | None = None


def start(
    name: str,
    command: Sequence[str],
    *,
    stop_signal: signal.Signals = signal.SIGTERM,
    log: Path | None = None,
    account: str | None = None,
) -> Part:
    """Start one part; with a `log` its output goes there, with an `account` it runs as that."""
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("wb")) if log else None
        # A session of its own: Ctrl-C reaches us alone, and we then stop the parts in order.
        process = subprocess.Popen(
            command,
            cwd=ROOT if account is None else "/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **rights_of(account),
        )
    return Part(name, process, stop_signal, log)


def rights_of(account: str | None) -> dict[str, Any]:
    """How `subprocess` runs something as `account`, which only root may; None: as ourselves."""
    if account is None:
        return {}
    entry = pwd.getpwnam(account)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": ()}


def start_python(name: str, *arguments: str) -> Part:
    """Start one part with this interpreter."""
    return start(name, [sys.executable, *arguments])


def ask_to_stop(part: Part) -> None:
    """Send the signal that lets it end in order."""
    if part.process.poll() is None:
        part.process.send_signal(part.stop_signal)


def wait_until_ended(part: Part) -> None:
    """Wait for its end; kill it, and what it started, when that takes too long."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        part.process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(part.process.pid, signal.SIGKILL)
    part.process.wait()


def stop(parts: Iterable[Part]) -> None:
    """Ask the parts to end, one after the other; kill what does not."""
    for part in parts:
        ask_to_stop(part)
        wait_until_ended(part)


def wait_until_live(parts: list[Part], url: str, stop_request: StopRequest) -> None:
    """Return when the server answers at `url`; RunError when it does not, or a part ended."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        stop_request.check()
        check_alive(parts)
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(POLL_SECONDS)
    raise RunError(f"the server did not answer within {START_SECONDS:.0f} seconds.")


def watch(parts: list[Part], stop_request: StopRequest) -> None:
    """Wait until somebody asks to stop, or a part ends, which is an error."""
    while True:
        stop_request.check()
        check_alive(parts)
        time.sleep(POLL_SECONDS)


def check_alive(parts: list[Part]) -> None:
    """Raise RunError when a part has ended."""
    for part in parts:
        code = part.process.poll()
        if code is not None:
            how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            where = f"the end of {part.log}" if part.log else "its last lines above"
            says = "says" if part.log else "say"
            raise RunError(f"{part.name} ended ({how}); {where} {says} why.")
