"""What a run that was killed left running: remembered while it runs, ended by the next one."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from project.parts import POLL_SECONDS, STOP_SECONDS, Part


def remember(parts: Iterable[Part], path: Path) -> None:
    """Write down which processes these are."""
    lines = [f"{part.process.pid} {_started_at(part.process.pid)}" for part in parts]
    path.write_text("\n".join(lines), encoding="ascii")


def end_leftovers(path: Path) -> None:
    """End the processes that `path` remembers, each with what it started."""
    if not path.exists():
        return
    for line in path.read_text(encoding="ascii").splitlines():
        pid, _, started_at = line.partition(" ")
        _end(int(pid), started_at)
    path.unlink()


def _end(pid: int, started_at: str) -> None:
    if not _is_it(pid, started_at):
        return
    # SIGINT ends all of them soon, PostgreSQL in order.
    _signal_group(pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    while _is_it(pid, started_at) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    _signal_group(pid, signal.SIGKILL)
    while _is_it(pid, started_at):
        time.sleep(POLL_SECONDS)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _is_it(pid: int, started_at: str) -> bool:
    """Whether this process still runs; another one may have its number by now."""
    return bool(started_at) and _started_at(pid) == started_at


def _started_at(pid: int) -> str:
    """When a process began, in the kernel's words; empty when there is none, or a dead one."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # proc(5): the name, in parentheses, may hold anything; the state is field 3, the start 22.
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
