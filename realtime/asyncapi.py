"""The AsyncAPI document of the WebSocket: the protocol's messages and the registered feeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime import __version__
from realtime.asyncapi_messages import (
    command_messages,
    data_schemas,
    event_message,
    server_messages,
)
from realtime.conf import conf
from realtime.feeds import feeds
from realtime.messages import SUBPROTOCOL
from realtime.parameters import FASTEST_RATE, SLOWEST_RATE

ASYNCAPI_VERSION = "3.0.0"
STREAM = "#/channels/stream"

QUERY: Mapping[str, Mapping[str, Any]] = {
    "token": {
        "type": "string",
        "description": "A token; the last resort, since URLs end up in logs.",
    },
    "feeds": {"type": "string", "description": "Feed names with commas between; default all."},
    "stream": {"type": "string", "description": "To resume: the stream's identity."},
    "since": {"type": "string", "pattern": "^[0-9]+$", "description": "To resume: the last seq."},
    "subscription": {"type": "string", "description": "To resume: the subscription's hash."},
    "snapshot": {"type": "string", "enum": ["0", "1"], "default": "1"},
    "max_rate": {
        "type": "number",
        "minimum": SLOWEST_RATE,
        "maximum": FASTEST_RATE,
        "description": "At most so many flushes a second; the newest event of each key survives.",
    },
}


def asyncapi_document(*, host: str, is_secure: bool) -> dict[str, Any]:
    """The document for a server that is reached at `host`."""
    sent = {**server_messages(), **{name: event_message(feed) for name, feed in feeds().items()}}
    commands = {f"{name}_command": message for name, message in command_messages().items()}
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": f"{conf().service_name}: the stream",
            "version": __version__,
            "description": "Every committed change, in order. docs/protocol.md is the contract.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "this": {
                "host": host,
                "protocol": "wss" if is_secure else "ws",
                "security": [
                    {"$ref": "#/components/securitySchemes/token"},
                    {"$ref": "#/components/securitySchemes/session"},
                ],
            }
        },
        "channels": {"stream": _channel([*sent, *commands])},
        "operations": {
            "send_message": _operation("send", list(sent), "What the server says."),
            "receive_command": _operation("receive", list(commands), "What a client may ask for."),
        },
        "components": {
            "messages": {**sent, **commands},
            "schemas": data_schemas(),
            "securitySchemes": _security_schemes(),
        },
    }


def _channel(names: list[str]) -> dict[str, Any]:
    filters = {name for feed in feeds().values() for name in feed.filter_fields}
    wanted = {"type": "string", "description": "A filter: values with commas between."}
    return {
        "address": "/ws",
        "title": "The stream",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "ws": {
                "method": "GET",
                "query": {
                    "type": "object",
                    "properties": {**QUERY, **dict.fromkeys(sorted(filters), wanted)},
                },
                "headers": {
                    "type": "object",
                    "properties": {
                        "Sec-WebSocket-Protocol": {
                            "type": "string",
                            "description": f"`{SUBPROTOCOL}`, from browsers with `bearer.TOKEN`.",
                        }
                    },
                },
            }
        },
    }


def _operation(action: str, names: list[str], summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": STREAM},
        "messages": [{"$ref": f"{STREAM}/messages/{name}"} for name in names],
    }


def _security_schemes() -> dict[str, Any]:
    return {
        "token": {
            "type": "httpApiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token KEY` or `Bearer KEY`.",
        },
        "session": {
            "type": "httpApiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "A signed-in page, when its Origin is allowed.",
        },
    }
