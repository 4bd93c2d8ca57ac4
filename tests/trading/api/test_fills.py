"""Tests of REST: fills, a position that they make, closing a part."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from realtime.models import Event
from tests.trading.api.people import FILL, PART, STARTING
from trading.models import Fill, Position

pytestmark = pytest.mark.django_db


def newest() -> dict[str, Any]:
    """The newest event of positions: its data and id."""
    event = Event.objects.filter(feed="position_update").latest("id")
    return {**json.loads(event.data), "event": event.pk}


def test_a_position_is_started_filled_and_read(client: APIClient) -> None:
    started = client.post("/api/positions/start/", {**STARTING, "leverage": "3"})
    assert started.status_code == 201, started.content
    assert started.json() == newest()
    assert (started.json()["spot_quantity"], started.json()["leverage"]) == ("0", "3")
    path = f"/api/positions/{started.json()['position_id']}/fills/"
    spot = client.post(path, {**FILL, "fee": "0.5"})
    assert spot.status_code == 201, spot.content
    body = spot.json()
    assert {**body.pop("position"), "event": body.pop("event")} == newest()
    assert (body["leg"], body["price"], body["fee"]) == ("spot", "45100.00", "0.50")
    client.post(path, {**FILL, "leg": "perp", "price": "45110"})
    listed = client.get(path).json()
    assert [each["leg"] for each in listed["results"]] == ["spot", "perp"]
    assert listed["count"] == 2
    row = Position.objects.get()
    assert (row.spot_entry_price, row.perp_entry_price, row.imbalance) == (45100, 45110, 0)


def test_a_fill_that_is_sent_again_is_answered_and_has_no_event(
    client: APIClient, position: Position
) -> None:
    path = f"/api/positions/{position.pk}/fills/"
    first, again = client.post(path, FILL), client.post(path, FILL)
    assert (again.status_code, again.json()["event"]) == (201, None)
    assert {**again.json(), "event": first.json()["event"]} == first.json()
    other = client.post(path, {**FILL, "price": "1"})
    assert (other.status_code, other.json()["code"]) == (409, "fill_exists")
    assert Fill.objects.filter(fill_id="a-1").count() == 1


def test_a_part_is_closed_and_then_the_rest(client: APIClient, position: Position) -> None:
    path = f"/api/positions/{position.pk}/reduce/"
    part = client.post(path, PART)
    assert part.status_code == 200, part.content
    assert part.json() == newest()
    assert (part.json()["status"], part.json()["realized_pnl"]) == ("open", "20.00")
    assert (part.json()["imbalance"], part.json()["is_imbalanced"]) == ("-0.04", True)
    too_much = client.post(path, {**PART, "spot_quantity": "0.07"})
    assert (too_much.status_code, too_much.json()["code"]) == (409, "quantity_not_held")
    rest = {
        "spot_quantity": "0.06",
        "spot_exit_price": "45500",
        "perp_quantity": "0.1",
        "perp_exit_price": "45400",
        "reason": "done",
    }
    closed = client.post(path, rest).json()
    assert (closed["status"], closed["close_reason"]) == ("closed", "done")
    assert closed["realized_pnl"] == "11.00"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("fills", {**FILL, "leg": "future"}, "leg"),
        ("fills", {**FILL, "effect": None}, "effect"),
        ("fills", {**FILL, "price": 45100.5}, "price"),
        ("fills", {**FILL, "quantity": "0"}, "quantity"),
        ("fills", {**FILL, "fill_id": ""}, "fill_id"),
        ("fills", {**FILL, "venue": "x"}, "venue"),
        ("reduce", {}, "spot_quantity"),
        ("reduce", {"spot_quantity": "0.04"}, "spot_exit_price"),
        ("reduce", {**PART, "perp_quantity": "-1"}, "perp_quantity"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_a_400_that_names_the_field(
    client: APIClient, position: Position, path: str, body: dict[str, Any], field: str
) -> None:
    answer = client.post(f"/api/positions/{position.pk}/{path}/", body)
    assert answer.status_code == 400, answer.content
    assert field in answer.json()["fields"]
    assert Fill.objects.count() == 2
