"""The messages of the AsyncAPI document, with their schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime.data_schemas import TIME, data_schema
from realtime.feeds import Feed, feeds
from realtime.log import Action
from realtime.messages import PROTOCOL_VERSION, ResumeOutcome, ResumeReason

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
ID: Schema = {
    "type": ["string", "number", "null"],
    "description": "Chosen by the client, echoed in the answer.",
}
NAMES: Schema = {"type": "array", "items": TEXT}
FILTERS: Schema = {
    "type": "object",
    "description": "By feed and field, the values that the field may have.",
    "additionalProperties": {"type": "object", "additionalProperties": NAMES},
}
RATE: Schema = {"type": ["number", "null"], "description": "Flushes a second."}


def message(
    name: str, summary: str, fields: Mapping[str, Schema], *, optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A message of the server."""
    properties = {"type": {"const": name}, "timestamp": TIME, **fields}
    return {
        "name": name,
        "summary": summary,
        "payload": _object(properties, optional=optional),
    }


def command(name: str, summary: str, fields: Mapping[str, Schema], *required: str) -> Any:
    """A command of a client."""
    properties = {"action": {"const": name}, "id": ID, **fields}
    optional = tuple(field for field in ("id", *fields) if field not in required)
    return {"name": name, "summary": summary, "payload": _object(properties, optional=optional)}


def event_message(feed: Feed) -> dict[str, Any]:
    """The event of a feed; one that `left` holds its key alone."""
    actions = [action.value for action in Action if action is not Action.LEFT]
    whole = _event(feed, {"enum": actions}, data_reference(feed))
    described = message(feed.name, f"One event of the feed {feed.name}.", {})
    if feed.key_field is None:
        return {**described, "payload": whole}
    key = {"type": "object", "required": [feed.key_field], "properties": {feed.key_field: {}}}
    left = _event(feed, {"const": Action.LEFT.value}, key)
    return {**described, "payload": {"oneOf": [whole, left]}}


def data_reference(feed: Feed) -> Schema:
    """Where the document has the schema of the feed's data."""
    return {"$ref": f"#/components/schemas/{feed.name}"}


def data_schemas() -> dict[str, Schema]:
    """The schema of each feed's data."""
    return {name: data_schema(feed) for name, feed in feeds().items()}


def server_messages() -> dict[str, Any]:
    """The messages that are no events."""
    snapshots = {
        name: {"type": "array", "items": data_reference(feed)} for name, feed in feeds().items()
    }
    return {
        "connection_established": message(
            "connection_established",
            "The first message of a connection.",
            {
                "message": TEXT,
                "protocol": {"const": PROTOCOL_VERSION},
                "connection_id": TEXT,
                "user": TEXT,
                "stream": TEXT,
                "seq": WHOLE,
                "subscription": TEXT,
                "resume": {"enum": [outcome.value for outcome in ResumeOutcome]},
                "resume_reason": {"enum": [reason.value for reason in ResumeReason]},
                "feeds": NAMES,
                "keys": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
                "filters": FILTERS,
                "max_rate": RATE,
                "heartbeat_seconds": NUMBER,
            },
            optional=("resume_reason",),
        ),
        "snapshot": message(
            "snapshot",
            "The state of feeds as of `seq`, or one part of it.",
            {
                "id": ID,
                "stream": TEXT,
                "seq": WHOLE,
                "part": WHOLE,
                "parts": WHOLE,
                "dropped": {"type": "object", "additionalProperties": WHOLE},
                "data": {"type": "object", "properties": snapshots},
            },
            optional=("id",),
        ),
        **_short_messages(),
    }


def _short_messages() -> dict[str, Any]:
    return {
        "heartbeat": message(
            "heartbeat",
            "Everything that matches up to `seq` was sent before it.",
            {"seq": WHOLE, "delayed": NUMBER},
            optional=("delayed",),
        ),
        "subscribed": message(
            "subscribed",
            "The whole subscription that now holds.",
            {
                "id": ID,
                "feeds": NAMES,
                "filters": FILTERS,
                "max_rate": RATE,
                "subscription": TEXT,
                "seq": WHOLE,
            },
        ),
        "pong": message("pong", "The answer to `ping`.", {"id": ID}),
        "authenticated": message(
            "authenticated",
            "The credential that now holds, and its end if it has one.",
            {"id": ID, "user": TEXT, "expires_at": {"type": ["string", "null"]}},
        ),
        "error": message(
            "error",
            "What went wrong; a close follows when it is fatal.",
            {"id": ID, "code": TEXT, "message": TEXT, "fatal": {"type": "boolean"}},
        ),
        "server_closing": message(
            "server_closing",
            "The server restarts: come back after so many seconds.",
            {"reconnect_after": NUMBER},
        ),
        "token_expiring": message(
            "token_expiring",
            "The credential ends: `authenticate` with a new one.",
            {"expires_at": TIME},
        ),
    }


def command_messages() -> dict[str, Any]:
    """What a client may ask for."""
    return {
        "subscribe": command(
            "subscribe",
            "Add feeds, and set the filters of those named.",
            {"feeds": NAMES, "filters": FILTERS, "max_rate": RATE},
        ),
        "unsubscribe": command("unsubscribe", "Remove feeds.", {"feeds": NAMES}, "feeds"),
        "snapshot": command("snapshot", "Ask for the present state.", {}),
        "authenticate": command(
            "authenticate", "Swap the credential, for the same user.", {"token": TEXT}, "token"
        ),
        "ping": command("ping", "Ask for a `pong`.", {}),
    }


def _event(feed: Feed, action: Schema, data: Schema) -> dict[str, Any]:
    return _object(
        {
            "type": {"const": feed.name},
            "timestamp": TIME,
            "seq": WHOLE,
            "event": WHOLE,
            "action": action,
            "data": data,
        }
    )


def _object(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": dict(properties)}
