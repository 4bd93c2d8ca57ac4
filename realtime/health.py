"""Whether each part that the stream needs is well, in words for operators.

Cheap enough to be asked every second, and prompt whatever is frozen: what the relay's thread has
just done is proof enough that the database answers; without it one shared probe asks.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from realtime import hub, loghandler, probing, relay
from realtime.layer import layer_is_shared
from realtime.log.database import connection
from realtime.relay import Relay

# A load balancer waits a second or two for its answer.
PROBE_SECONDS = 0.8
# What SQLite's write-ahead log takes before it is written back.
LEAST_FREE_BYTES = 4 * 1024 * 1024
# So long a start without the state is none.
LOADING_SECONDS = 10.0

Part = dict[str, Any]

_registered: dict[str, Callable[[], Part | None]] = {}


def register_part(name: str, check: Callable[[], Part | None]) -> None:
    """Ask `check` for the part `name`, too: `{"status": "ok" or "error", …}`; None: not in use."""
    _registered[name] = check


def check_health() -> tuple[dict[str, Part], bool]:
    """The state of each part, and whether all are well."""
    running, serving = relay.current(), hub.current()
    found = {
        "database": _database(running, serving),
        "relay": _relay(running, serving),
        "hub": _hub(running, serving),
        "channel_layer": _channel_layer(running),
        "log_handler": _log_handler(),
        **{name: check() for name, check in _registered.items()},
    }
    parts = {name: part for name, part in found.items() if part is not None}
    return parts, all(part["status"] == "ok" for part in parts.values())


def database_answer(running: Relay | None) -> probing.Answer | None:
    """What the probe says; None when the relay has read the log a moment ago, which says more."""
    if running is not None and running.has_looked_within(probing.FRESH_SECONDS):
        return None
    return probing.probe.ask(timeout_seconds=PROBE_SECONDS)


def _database(running: Relay | None, serving: hub.Hub | None) -> Part:
    free = _free_bytes()
    if free is not None and free < LEAST_FREE_BYTES:
        text = f"The disk is full: {free} bytes are left. Nothing can be written; make room."
        return _error(text)
    answer = database_answer(running)
    if answer is None and running is not None:
        stream = serving.position[0] if serving is not None else ""
        return _ok(stream=stream, head=running.vitals.head, age_seconds=_s(running.lag_seconds))
    assert answer is not None
    if answer.error is not None:
        return _error(answer.error)
    standing = answer.standing
    where = {} if standing is None else {"stream": standing.identity, "head": standing.head}
    return _ok(**where, answer_seconds=_s(answer.seconds))


def _free_bytes() -> int | None:
    """What is left on the disk of an SQLite file; None for any other database."""
    database = connection()
    if database.vendor != "sqlite":
        return None
    folder = Path(database.settings_dict["NAME"]).parent
    # In memory it has a name that is no path.
    return shutil.disk_usage(folder).free if folder.is_dir() else None


def _relay(running: Relay | None, serving: hub.Hub | None) -> Part:
    if running is None:
        # It starts with the first connection or the first event; without either nothing is amiss.
        if serving is None:
            return _ok(running=False)
        return _error("The relay's thread has ended. Restart the process.")
    vitals = running.vitals
    if delayed := vitals.delayed_seconds:
        text = vitals.error or "The database does not answer."
        return _error(text, delayed_seconds=round(delayed, 1))
    return _ok(running=True, lag_seconds=_s(running.lag_seconds), unnumbered=vitals.unnumbered)


def _hub(running: Relay | None, serving: hub.Hub | None) -> Part | None:
    if serving is None:
        return None
    if not serving.is_loaded and serving.age_seconds > LOADING_SECONDS:
        return _error("The state of the stream could not be loaded yet: nobody is let in.")
    return _ok(
        loaded=serving.is_loaded,
        connections=serving.connection_count,
        lag_events=serving.lag_events,
        loop_lag_seconds=_s(serving.loop_lag.seconds),
    )


def _channel_layer(running: Relay | None) -> Part | None:
    if not layer_is_shared():
        return None
    publisher = running.publisher if running is not None else None
    if publisher is None:
        # Nothing of this process goes there yet.
        return _ok(running=False)
    if publisher.error is not None:
        return _error(publisher.error, dropped_batches=publisher.dropped_batches)
    return _ok(running=True, dropped_batches=publisher.dropped_batches)


def _log_handler() -> Part:
    backlog = loghandler.backlog()
    return _ok(waiting_lines=backlog.waiting, dropped_lines=backlog.dropped.total)


def _ok(**figures: Any) -> Part:
    return {"status": "ok", **figures}


def _error(message: str, **figures: Any) -> Part:
    return {"status": "error", "message": message, **figures}


def _s(seconds: float) -> float:
    return round(seconds, 3)
