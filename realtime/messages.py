"""The messages of the protocol, as `docs/protocol.md` has them. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import orjson

from realtime.feeds import feeds
from realtime.frames import Frame, encode
from realtime.log import Action, LoggedEvent
from realtime.subscriptions import Subscription

PROTOCOL_VERSION = 1
SUBPROTOCOL = "realtime.v1"


class ResumeOutcome(StrEnum):
    """What follows `connection_established`."""

    LIVE = "live"
    REPLAY = "replay"
    SNAPSHOT = "snapshot"


class ResumeReason(StrEnum):
    """Why a resume that was asked for is a snapshot."""

    HISTORY_EXPIRED = "history_expired"
    UNKNOWN_STREAM = "unknown_stream"
    AHEAD_OF_STREAM = "ahead_of_stream"
    SUBSCRIPTION_CHANGED = "subscription_changed"


def established(
    *,
    timestamp: str,
    service_name: str,
    connection_id: str,
    user: str,
    stream: str,
    seq: int,
    subscription: Subscription,
    outcome: ResumeOutcome,
    reason: ResumeReason | None,
    heartbeat_seconds: float,
) -> Frame:
    """The first message of a connection."""
    message: dict[str, Any] = {
        "type": "connection_established",
        "timestamp": timestamp,
        "message": f"Connected to {service_name} WebSocket server",
        "protocol": PROTOCOL_VERSION,
        "connection_id": connection_id,
        "user": user,
        "stream": stream,
        "seq": seq,
        "subscription": subscription.digest(),
        "resume": outcome.value,
        "feeds": subscription.names,
        "keys": {name: feeds()[name].key_field for name in subscription.names},
        "filters": subscription.filters(),
        "max_rate": subscription.max_rate,
        "heartbeat_seconds": _number(heartbeat_seconds),
    }
    if reason is not None:
        message["resume_reason"] = reason.value
    return encode(message)


def event(logged: LoggedEvent, *, tail_feed: str | None) -> Frame:
    """One event, the data as the log holds it: it is not parsed to be sent."""
    head = orjson.dumps(
        {
            "type": logged.feed,
            "timestamp": logged.timestamp,
            "seq": logged.seq,
            "event": logged.id,
            "action": logged.action,
        }
    )
    text = b"".join((head[:-1], b',"data":', logged.data.encode(), b"}"))
    return Frame(text, seq=logged.seq, key=_key(logged), tail_feed=tail_feed)


def left(logged: LoggedEvent, *, key_field: str, key: Any) -> Frame:
    """The same event for a client whose filters or scope the object no longer matches."""
    return Frame(
        orjson.dumps(
            {
                "type": logged.feed,
                "timestamp": logged.timestamp,
                "seq": logged.seq,
                "event": logged.id,
                "action": Action.LEFT.value,
                "data": {key_field: key},
            }
        ),
        seq=logged.seq,
        key=_key(logged),
    )


def snapshot_part(
    body: bytes,
    *,
    timestamp: str,
    stream: str,
    seq: int,
    part: int,
    parts: int,
    dropped: Mapping[str, int],
    id: Any = None,
) -> Frame:
    """One part of a snapshot; `body` is the JSON object of the feeds in it."""
    message = {
        "type": "snapshot",
        "timestamp": timestamp,
        "stream": stream,
        "seq": seq,
        "part": part,
        "parts": parts,
        "dropped": dropped,
    }
    head = orjson.dumps(message if id is None else message | {"id": id})
    return Frame(b"".join((head[:-1], b',"data":', body, b"}")))


def heartbeat(*, timestamp: str, seq: int, delayed_seconds: float = 0.0) -> Frame:
    """A sign of life: everything that matches up to `seq` was sent before it."""
    message: dict[str, Any] = {"type": "heartbeat", "timestamp": timestamp, "seq": seq}
    if delayed_seconds:
        message["delayed"] = round(delayed_seconds, 1)
    return encode(message)


def subscribed(*, timestamp: str, id: Any, subscription: Subscription, seq: int) -> Frame:
    """The answer to `subscribe` and `unsubscribe`: the whole subscription that now holds."""
    return encode(
        {
            "type": "subscribed",
            "timestamp": timestamp,
            "id": id,
            "feeds": subscription.names,
            "filters": subscription.filters(),
            "max_rate": subscription.max_rate,
            "subscription": subscription.digest(),
            "seq": seq,
        }
    )


def pong(*, timestamp: str, id: Any) -> Frame:
    """The answer to `ping`."""
    return encode({"type": "pong", "timestamp": timestamp, "id": id})


def authenticated(*, timestamp: str, id: Any, user: str, expires_at: str | None) -> Frame:
    """The answer to `authenticate`: the credential that now holds, and its end if it has one."""
    return encode(
        {
            "type": "authenticated",
            "timestamp": timestamp,
            "id": id,
            "user": user,
            "expires_at": expires_at,
        }
    )


def token_expiring(*, timestamp: str, expires_at: str) -> Frame:
    """The credential ends soon: `authenticate` with another one before."""
    return encode({"type": "token_expiring", "timestamp": timestamp, "expires_at": expires_at})


def error(*, timestamp: str, code: str, text: str, fatal: bool = False, id: Any = None) -> Frame:
    """What went wrong; followed by a close when `fatal`."""
    return encode(
        {
            "type": "error",
            "timestamp": timestamp,
            "id": id,
            "code": code,
            "message": text,
            "fatal": fatal,
        }
    )


def server_closing(*, timestamp: str, reconnect_after: float) -> Frame:
    """The server restarts: come back after so many seconds."""
    return encode(
        {
            "type": "server_closing",
            "timestamp": timestamp,
            "reconnect_after": round(reconnect_after, 1),
        }
    )


def feed_body(objects: Mapping[str, Sequence[bytes]]) -> bytes:
    """The JSON object of feeds with their objects, each object being JSON already."""
    return b"{%b}" % b",".join(
        b'"%b":[%b]' % (name.encode(), b",".join(items)) for name, items in objects.items()
    )


def _key(logged: LoggedEvent) -> tuple[str, str] | None:
    return (logged.feed, logged.key) if logged.key else None


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value
