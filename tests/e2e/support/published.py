"""What clients have to hold, worked out from the rows of the database alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.e2e.support.databases import Database, Row
from tests.e2e.support.states import TAIL_EVENTS, Data, Held

PLACES = Decimal("0.00000001")

NUMBERS = frozenset(
    {
        *(
            f"{leg}_{kind}_price"
            for leg in ("spot", "perp")
            for kind in ("entry", "current", "exit")
        ),
        *("spot_quantity", "perp_quantity", "leverage", "fees", "funding_collected"),
        *("spot_closed_quantity", "perp_closed_quantity", "imbalance"),
        *("unrealized_pnl", "realized_pnl", "liquidation_price", "liquidation_distance"),
        *("total_equity", "current_equity", "peak_equity", "day_start_equity"),
        *("drawdown_pct", "drawdown_limit", "daily_loss_pct", "daily_loss_limit"),
    }
)
MOMENTS = frozenset(
    {"opened_at", "closed_at", "priced_at", "recorded_at", "updated_at", "stale_since"}
)
BOOLEANS = frozenset({"simulated", "is_imbalanced"})
# Columns that are rows' own business, by feed.
UNPUBLISHED = {
    "position_update": ("by_fills", "closed_pnl", "created_at"),
    "equity_update": ("id", "created_at"),
    "risk_status_update": ("day",),
}

POSITIONS = (
    "SELECT *, CASE status WHEN 'closed' THEN 0 ELSE spot_quantity - perp_quantity END "
    "AS imbalance FROM trading_position"
)
EQUITY = (
    "SELECT *, total_equity AS current_equity FROM trading_equitysnapshot "
    "WHERE id IN (SELECT max(id) FROM trading_equitysnapshot GROUP BY account_id)"
)
RISK = "SELECT * FROM trading_riskstatus"
EVENTS = "SELECT * FROM realtime_event"
LOGS = f"{EVENTS} WHERE feed = 'system_log' ORDER BY seq DESC LIMIT {TAIL_EVENTS}"


def read_published(database: Database) -> Held:
    """The state that a client of every feed has to hold, in the form of `comparable`."""
    positions = database.rows(f"{POSITIONS} WHERE status <> 'closed'")
    logs = [json.loads(row["data"]) for row in database.rows(LOGS)]
    return {
        "position_update": _by_key("position_update", "position_id", positions),
        "equity_update": _by_key("equity_update", "account", database.rows(EQUITY)),
        "risk_status_update": _by_key("risk_status_update", "account", database.rows(RISK)),
        "system_log": logs[::-1],
    }


def read_position(database: Database, position_id: str) -> Data:
    """One position's row as `comparable` has it."""
    rows = database.rows(POSITIONS)
    return _by_key("position_update", "position_id", rows)[position_id]


def comparable(held: Held) -> Held:
    """A client's state with numbers as numbers, so that it can be compared with rows."""
    return {
        name: list(objects)
        if isinstance(objects, list)
        else {key: comparable_data(data) for key, data in objects.items()}
        for name, objects in held.items()
    }


def comparable_data(data: Mapping[str, Any]) -> Data:
    """One object's data with numbers as numbers."""
    return {name: _value(name, value) for name, value in data.items()}


def _by_key(feed: str, key: str, rows: Iterable[Row]) -> dict[str, Data]:
    objects = [_published(feed, row) for row in rows]
    return {data[key]: data for data in objects}


def _published(feed: str, row: Row) -> Data:
    names = {"account_id": "account"}
    return {
        names.get(name, name): _value(names.get(name, name), value)
        for name, value in row.items()
        if name not in UNPUBLISHED[feed]
    }


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in NUMBERS:
        # SQLite keeps decimals as doubles, of which `repr` gives back the digits that were written.
        return Decimal(str(value)).quantize(PLACES)
    if name in MOMENTS:
        return _moment(value)
    if name == "position_id":
        return str(UUID(str(value)))
    if name in BOOLEANS:
        return bool(value)
    if name == "stale_inputs" and isinstance(value, str):
        # The column has commas between.
        return value.split(",") if value else []
    return str(value) if isinstance(value, date) else value


def _moment(value: str | datetime) -> str:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    # SQLite stores UTC without its zone.
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds")
