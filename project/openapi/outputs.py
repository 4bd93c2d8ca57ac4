"""Answers as the document has them: what feeds publish, pages of it, errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime.data_schemas import data_schema, serializer_schema
from realtime.feeds import feeds
from trading.feeds import EquityFeed, PositionFeed, RiskStatusFeed
from trading.models import Fill, RiskChange
from trading.serializers import FillSerializer, RiskChangeSerializer

Schema = Mapping[str, Any]

WHOLE: Schema = {"type": "integer", "minimum": 0}
TEXT: Schema = {"type": "string"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
LINK: Schema = {"type": ["string", "null"], "format": "uri"}
EVENT: Schema = {
    "type": ["integer", "null"],
    "description": "The id of the message on the stream; null where nothing changed.",
}
JWT: Schema = {"type": "string", "description": "A JWT; it says itself until when it holds."}
ERROR: Schema = {
    "type": "object",
    "required": ["code", "message", "fields"],
    "additionalProperties": False,
    "properties": {
        "code": {"type": "string", "description": "For programs.", "example": "trading_paused"},
        "message": {"type": "string", "description": "For people."},
        "fields": {
            "type": "object",
            "description": "What is wrong with each field.",
            "additionalProperties": True,
        },
    },
}


def reference(name: str) -> Schema:
    """Where the document has the schema `name`."""
    return {"$ref": f"#/components/schemas/{name}"}


def page_of(name: str) -> dict[str, Any]:
    """One page of a list."""
    return _object(
        {
            "count": WHOLE,
            "next": LINK,
            "previous": LINK,
            "results": {"type": "array", "items": reference(name)},
        }
    )


def component_schemas() -> dict[str, Schema]:
    """Every schema that operations refer to, by name."""
    position, equity, risk = (
        data_schema(feeds()[feed.name]) for feed in (PositionFeed, EquityFeed, RiskStatusFeed)
    )
    fill = serializer_schema(FillSerializer, Fill)
    return {
        "Position": position,
        "WrittenPosition": _with(position, event=EVENT),
        "Positions": page_of("Position"),
        "Fill": fill,
        "Fills": page_of("Fill"),
        "RecordedFill": _with(fill, position=reference("Position"), event=EVENT),
        "EquityReading": equity,
        "WrittenEquityReading": _with(equity, event=EVENT),
        "EquityCurve": page_of("EquityReading"),
        "WrittenRiskStatus": _with(risk, event=EVENT),
        "RiskChange": serializer_schema(RiskChangeSerializer, RiskChange),
        "RiskChanges": page_of("RiskChange"),
        "RiskStatusAndChanges": _with(risk, changes=reference("RiskChanges")),
        "Events": _events(),
        "Connections": _connections(),
        "Disconnected": _object({"connection_id": TEXT}),
        "Token": _object({"token": {"type": "string", "description": "Shown this once."}}),
        "Jwts": _object({"access": JWT, "refresh": JWT}),
        "Jwt": _object({"access": JWT}),
        "Error": ERROR,
    }


def _events() -> dict[str, Any]:
    message = {"type": TEXT, "timestamp": TEXT, "seq": WHOLE, "event": WHOLE, "action": TEXT}
    return _object(
        {
            "stream": {"type": "string", "description": "The stream's identity."},
            "head": WHOLE,
            "results": {
                "type": "array",
                "description": "Messages as on the WebSocket: /api/asyncapi.yaml has them.",
                "items": _object({**message, "data": {"type": "object"}}),
            },
            "next": {"type": ["integer", "null"], "description": "The next page's `since`."},
        }
    )


def _connections() -> dict[str, Any]:
    process = {
        "process": TEXT,
        "host": TEXT,
        "pid": WHOLE,
        "answered_at": MOMENT,
        "active_connections": WHOLE,
        "has_answered": {
            "type": "boolean",
            "description": "False for one that is busy or gone: its connections are not listed.",
        },
    }
    connection = {
        "connection_id": TEXT,
        "user": TEXT,
        "address": TEXT,
        "connected_at": MOMENT,
        "feeds": {"type": "array", "items": TEXT},
        "filters": {"type": "object", "additionalProperties": True},
        "max_rate": {"type": ["number", "null"]},
        "waiting_bytes": WHOLE,
        "blocked_seconds": {"type": "number", "minimum": 0},
        "resyncs": WHOLE,
        "process": TEXT,
    }
    return _object(
        {
            "processes": {"type": "array", "items": _object(process)},
            "results": {"type": "array", "items": _object(connection)},
        }
    )


def _with(schema: Schema, **further: Schema) -> dict[str, Any]:
    return {
        **schema,
        "required": [*schema["required"], *further],
        "properties": {**schema["properties"], **further},
    }


def _object(properties: Mapping[str, Schema]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": dict(properties)}
