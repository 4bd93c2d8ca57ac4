"""Whether each part that the stream needs is well, in words for operators."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from django.db import DatabaseError

from realtime import hub, log, relay
from realtime.layer import layer_is_shared
from realtime.log.database import connection

# What SQLite's write-ahead log takes before it is written back.
LEAST_FREE_BYTES = 4 * 1024 * 1024


def check_health() -> tuple[dict[str, Any], bool]:
    """The state of each part, and whether all are well."""
    parts = {"database": _database(), "relay": _relay()}
    if layer_is_shared():
        parts["channel_layer"] = _channel_layer()
    return parts, all(part["status"] == "ok" for part in parts.values())


def _database() -> dict[str, Any]:
    try:
        position = log.position()
    except DatabaseError as error:
        return {"status": "error", "message": f"{type(error).__name__}: {error}".strip()}
    free = _free_bytes()
    if free is not None and free < LEAST_FREE_BYTES:
        text = f"The disk is full: {free} bytes are left. Nothing can be written; make room."
        return {"status": "error", "message": text}
    return {"status": "ok", "stream": position.identity, "head": position.head}


def _free_bytes() -> int | None:
    """What is left on the disk of an SQLite file; None for any other database."""
    database = connection()
    if database.vendor != "sqlite":
        return None
    folder = Path(database.settings_dict["NAME"]).parent
    # In memory it has a name that is no path.
    return shutil.disk_usage(folder).free if folder.is_dir() else None


def _relay() -> dict[str, Any]:
    running = relay.current()
    serving = hub.current()
    if running is None:
        # It starts with the first connection or the first event; without either nothing is amiss.
        if serving is None:
            return {"status": "ok", "running": False}
        return {"status": "error", "message": "The relay's thread has ended. Restart the process."}
    if running.error is not None:
        return {
            "status": "error",
            "message": running.error,
            "delayed_seconds": round(running.delayed_seconds, 1),
        }
    return {"status": "ok", "running": True}


def _channel_layer() -> dict[str, Any]:
    running = relay.current()
    publisher = running.publisher if running is not None else None
    if publisher is not None and publisher.error is not None:
        return {"status": "error", "message": publisher.error}
    return {"status": "ok"}
