"""Every operation of REST, by its view and method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.views import APIView

from project.openapi.operations import READING, WRITING, Operation
from realtime.api import EventsView
from realtime.auth.login_api import JwtRefreshView, JwtView, TokenView
from realtime.presence.api import LONGEST_REASON as LONGEST_DISCONNECTION_REASON
from realtime.presence.api import ConnectionsView, DisconnectView
from trading import api
from trading.api import bodies
from trading.models.idempotency import LONGEST_KEY
from trading.queries import EquityQuery, ExportQuery, FillsQuery, PositionsQuery, RiskQuery

POSITION_ID: Mapping[str, Any] = {
    "name": "position_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
CONNECTION_ID: Mapping[str, Any] = {
    "name": "connection_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": r"^[A-Za-z0-9_-]{1,32}$"},
}
DISCONNECTING: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {
            "type": "string",
            "maxLength": LONGEST_DISCONNECTION_REASON,
            "pattern": r"^[^\u0000]*$",
        }
    },
    "additionalProperties": False,
}
IDEMPOTENCY_KEY: Mapping[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "For 24 hours the same body under the same key opens one position.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_KEY,
        "pattern": "^[!-~]([ -~]*[!-~])?$",
    },
}
REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true` where the position was opened by an earlier request.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
SINCE: Mapping[str, Any] = {
    "name": "since",
    "in": "query",
    "description": "The `seq` that was applied last.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1, "default": 0},
}
FEEDS: Mapping[str, Any] = {
    "name": "feeds",
    "in": "query",
    "description": "Feed names with commas between; default all that the user may view.",
    "schema": {"type": "array", "items": {"type": "string"}},
    "style": "form",
    "explode": False,
}


def _texts(*names: str) -> Mapping[str, Any]:
    """A body of these fields, all of them texts that are there."""
    return {
        "type": "object",
        "required": list(names),
        "properties": {
            name: {"type": "string", "minLength": 1, "pattern": r"^[^\u0000]+$"} for name in names
        },
    }


CREDENTIALS = _texts("username", "password")


def _same_position(operation_id: str) -> dict[str, Any]:
    return {
        "operationId": operation_id,
        "parameters": {"path.position_id": "$response.body#/position_id"},
    }


LINKS = {
    "read": _same_position("get_position"),
    "update": _same_position("update_position"),
    "close": _same_position("close_position"),
    "fill": _same_position("record_fill"),
    "reduce": _same_position("reduce_position"),
}
STARTING = {"symbol": "BTC/USDT", "spot_price": "45000", "perp_price": "45010"}
FILL = {
    "leg": "spot",
    "effect": "opening",
    "price": "44999.5",
    "quantity": "0.04",
    "fee": "0.18",
    "fill_id": "812345",
}
REDUCING = {
    "spot_quantity": "0.04",
    "spot_exit_price": "45200",
    "perp_quantity": "0.04",
    "perp_exit_price": "45190",
}
OPENING = {
    "symbol": "BTC/USDT",
    "spot_entry_price": "45000",
    "perp_entry_price": "45010",
    "spot_quantity": "0.1",
    "perp_quantity": "0.1",
}
CLOSING = {"spot_exit_price": "45200", "perp_exit_price": "45190", "reason": "The basis is gone."}
REASON = {"account": "default", "reason": "Lunch."}
# A page that there is not is a 404.
LISTING = (400, 404, *READING)


def _decision(id: str, summary: str) -> Operation:
    return Operation(
        id=id,
        tag="risk",
        summary=summary,
        answer="WrittenRiskStatus",
        errors=(*WRITING, 404, 409),
        body=bodies.RiskBody,
        example=REASON,
    )


def _export(name: str, summary: str) -> Operation:
    return Operation(
        id=f"export_{name}",
        tag=name,
        summary=summary,
        errors=(400, *READING),
        query=ExportQuery,
    )


OPERATIONS: Mapping[type[APIView], Mapping[str, Operation]] = {
    TokenView: {
        "post": Operation(
            id="issue_token",
            tag="credentials",
            summary="A token for a user name and a password.",
            answer="Token",
            errors=(400, 401, 413, 415, 429, 503),
            body_of_its_own=CREDENTIALS,
            example={"username": "demo", "password": "demo"},
            is_open=True,
        )
    },
    JwtView: {
        "post": Operation(
            id="issue_jwts",
            tag="credentials",
            summary="JWTs for a user name and a password.",
            answer="Jwts",
            errors=(400, 401, 413, 415, 429, 503),
            body_of_its_own=CREDENTIALS,
            example={"username": "demo", "password": "demo"},
            is_open=True,
        )
    },
    JwtRefreshView: {
        "post": Operation(
            id="renew_jwt",
            tag="credentials",
            summary="Another access JWT for a refresh JWT.",
            answer="Jwt",
            errors=(400, 401, 413, 415, 429, 503),
            body_of_its_own=_texts("refresh"),
            example={"refresh": "eyJhbGciOi…"},
            is_open=True,
        )
    },
    EventsView: {
        "get": Operation(
            id="list_events",
            tag="events",
            summary="The log itself, in order: the messages after `since` that the user may see.",
            answer="Events",
            errors=(400, *READING, 410),
            parameters=(SINCE, FEEDS),
        )
    },
    ConnectionsView: {
        "get": Operation(
            id="list_connections",
            tag="connections",
            summary="Who is connected, in every server process; for staff.",
            answer="Connections",
        )
    },
    DisconnectView: {
        "post": Operation(
            id="disconnect",
            tag="connections",
            summary="End a connection, in whichever process it is; for staff.",
            description="The client is told `disconnected` and closed with 1013: it may come back.",
            answer="Disconnected",
            errors=(*WRITING, 404),
            parameters=(CONNECTION_ID,),
            body_of_its_own=DISCONNECTING,
            example={"reason": "Maintenance."},
        )
    },
    api.PositionList: {
        "get": Operation(
            id="list_positions",
            tag="positions",
            summary="Positions, newest first.",
            answer="Positions",
            errors=LISTING,
            query=PositionsQuery,
        ),
        "post": Operation(
            id="open_position",
            tag="positions",
            summary="Open a position on both legs.",
            status=201,
            answer="WrittenPosition",
            errors=(*WRITING, 404, 409, 422),
            body=bodies.OpenPositionBody,
            parameters=(IDEMPOTENCY_KEY,),
            answer_headers=REPLAYED,
            links=LINKS,
            example=OPENING,
        ),
    },
    api.PositionDetail: {
        "get": Operation(
            id="get_position",
            tag="positions",
            summary="One position, a closed one too.",
            answer="Position",
            errors=(*READING, 404),
            parameters=(POSITION_ID,),
        ),
        "patch": Operation(
            id="update_position",
            tag="positions",
            summary="Set what the body names; with `updated_at`, only on what was seen last.",
            answer="WrittenPosition",
            errors=(*WRITING, 404, 409),
            body=bodies.UpdatePositionBody,
            parameters=(POSITION_ID,),
            links=LINKS,
            example={"spot_current_price": "45100", "perp_current_price": "45095"},
        ),
    },
    api.ClosePosition: {
        "post": Operation(
            id="close_position",
            tag="positions",
            summary="Close both legs at these prices and realise the PnL.",
            answer="WrittenPosition",
            errors=(*WRITING, 404, 409),
            body=bodies.ClosePositionBody,
            parameters=(POSITION_ID,),
            links={"read": LINKS["read"]},
            example=CLOSING,
        )
    },
    api.StartPosition: {
        "post": Operation(
            id="start_position",
            tag="positions",
            summary="Open a position that holds nothing until its fills are recorded.",
            status=201,
            answer="WrittenPosition",
            errors=(*WRITING, 404, 409),
            body=bodies.StartPositionBody,
            links=LINKS,
            example=STARTING,
        )
    },
    api.Fills: {
        "get": Operation(
            id="list_fills",
            tag="positions",
            summary="What was executed for a position, in the order in which it was recorded.",
            answer="Fills",
            errors=LISTING,
            query=FillsQuery,
            parameters=(POSITION_ID,),
        ),
        "post": Operation(
            id="record_fill",
            tag="positions",
            summary="Record what an exchange executed, once for each `fill_id` of a leg.",
            status=201,
            answer="RecordedFill",
            errors=(*WRITING, 404, 409),
            body=bodies.FillBody,
            parameters=(POSITION_ID,),
            example=FILL,
        ),
    },
    api.ReducePosition: {
        "post": Operation(
            id="reduce_position",
            tag="positions",
            summary="Close so much of each leg; nothing left closes the position.",
            answer="WrittenPosition",
            errors=(*WRITING, 404, 409),
            body=bodies.ReducePositionBody,
            parameters=(POSITION_ID,),
            links={"read": LINKS["read"]},
            example=REDUCING,
        )
    },
    api.PositionsExport: {"get": _export("positions", "Positions by the day of opening, as CSV.")},
    api.Equity: {
        "get": Operation(
            id="list_equity",
            tag="equity",
            summary="An account's readings of equity, oldest first.",
            answer="EquityCurve",
            errors=LISTING,
            query=EquityQuery,
        ),
        "post": Operation(
            id="record_equity",
            tag="equity",
            summary="Add a reading; the risk engine decides on it.",
            status=201,
            answer="WrittenEquityReading",
            errors=(*WRITING, 404, 409),
            body=bodies.EquityBody,
            example={"account": "default", "total_equity": "100012.5"},
        ),
    },
    api.EquityExport: {"get": _export("equity", "Readings of equity by day, as CSV.")},
    api.Risk: {
        "get": Operation(
            id="get_risk",
            tag="risk",
            summary="An account's risk status with figures and limits, and its changes.",
            answer="RiskStatusAndChanges",
            errors=LISTING,
            query=RiskQuery,
        )
    },
    api.SoftPause: {
        "post": _decision("soft_pause", "Open no new positions until the next trading day.")
    },
    api.HardStop: {
        "post": _decision("hard_stop", "Open nothing new, and mark open positions `closing`.")
    },
    api.Resume: {"post": _decision("resume_trading", "Trade again, from the present equity on.")},
    api.RiskExport: {"get": _export("risk", "Decisions about risk by day, as CSV.")},
}
