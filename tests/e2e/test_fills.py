"""Fills through the real server: recorded over REST, seen by a client at once, each once."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.support.clients import Client
from tests.e2e.support.servers import Server

POSITIONS = {"feeds": "position_update"}
START = {"symbol": "BTC/USDT", "spot_price": "45000", "perp_price": "45010"}
FILL = {"leg": "spot", "effect": "opening", "price": "44990", "quantity": "0.1", "fill_id": "77"}


def post(server: Server, path: str, body: dict[str, str]) -> dict[str, Any]:
    """Write over REST as the superuser; returns the answer's object."""
    headers = {"Content-Type": "application/json"}
    answer = server.fetch(
        f"/api/positions/{path}",
        method="POST",
        headers=headers,
        body=json.dumps(body),
        user="admin",
    )
    assert answer.status in {200, 201}, answer.body
    return dict(answer.json)


async def test_a_position_is_filled_and_closed_in_parts_before_a_clients_eyes(
    server: Server,
) -> None:
    async with await Client.connect(server, POSITIONS) as client:
        await client.receive_type("snapshot")
        key = post(server, "start/", START)["position_id"]
        spot = post(server, f"{key}/fills/", FILL)
        again = post(server, f"{key}/fills/", FILL)
        perp = post(server, f"{key}/fills/", {**FILL, "leg": "perp", "price": "45020"})
        part = {"spot_quantity": "0.04", "spot_exit_price": "45500"}
        post(server, f"{key}/reduce/", part)
        post(server, f"{key}/close/", {"spot_exit_price": "46000", "perp_exit_price": "46000"})
        seen = [await client.receive_type("position_update") for _ in range(5)]
    assert [message["action"] for message in seen] == ["created", *["updated"] * 3, "closed"]
    assert [message["data"]["imbalance"] for message in seen] == ["0", "0.1", "0", "-0.04", "0"]
    assert (spot["event"], perp["event"]) == (seen[1]["event"], seen[2]["event"])
    assert again["event"] is None
    # 0.04 × 510 + 0.06 × 1010 − 0.1 × 980.
    assert seen[-1]["data"]["realized_pnl"] == "-17.00"
