"""Who is connected, in every process, and the end of a connection by an operator's word."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import Client
from tests.e2e.support.servers import Answer, Server

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def other(start_server: StartServer, server: Server) -> Server:
    return start_server(beside=server)


async def fetch(server: Server, path: str = "/api/connections/", **options: Any) -> Answer:
    return await asyncio.to_thread(lambda: server.fetch(path, user="admin", **options))


async def disconnect(server: Server, connection_id: str, reason: str) -> Answer:
    path, body = f"/api/connections/{connection_id}/disconnect/", json.dumps({"reason": reason})
    return await fetch(server, path, method="POST", headers=JSON, body=body)


async def test_both_processes_tell_who_is_connected(server: Server, other: Server) -> None:
    query = {"feeds": "position_update", "symbol": "BTC/USDT", "max_rate": 2}
    async with (
        await Client.connect(server, query) as one,
        await Client.connect(other, user="reader") as two,
    ):
        ids = [(await each.receive())["connection_id"] for each in (one, two)]
        body = (await fetch(other)).json
    assert [process["has_answered"] for process in body["processes"]] == [True, True]
    found = {each["connection_id"]: each for each in body["results"]}
    assert set(found) == set(ids)
    assert len({each["process"] for each in body["results"]}) == 2
    first = found[ids[0]]
    assert (first["user"], first["address"]) == ("operator", "127.0.0.1")
    assert (first["feeds"], first["max_rate"]) == (["position_update"], 2)
    assert first["filters"] == {"position_update": {"symbol": ["BTC/USDT"]}}
    assert found[ids[1]]["user"] == "reader"


async def test_connection_is_ended_wherever_it_is(server: Server, other: Server) -> None:
    async with (
        await Client.connect(server) as one,
        await Client.connect(server) as bystander,
    ):
        connection_id = (await one.receive())["connection_id"]
        await bystander.receive()
        assert (await disconnect(other, connection_id, "Maintenance.")).status == 200
        messages, code, reason = await one.receive_until_closed()
        assert (code, reason) == (1013, "disconnected")
        error = next(message for message in messages if message["type"] == "error")
        assert (error["code"], error["fatal"]) == ("disconnected", True)
        assert "Maintenance." in error["message"]
        assert await bystander.ask({"action": "ping", "id": 1}, "pong")
        gone = await disconnect(other, connection_id, "")
        assert (gone.status, gone.json["code"]) == (404, "not_found")


async def test_process_that_has_stopped_is_not_waited_for(
    start_server: StartServer, server: Server
) -> None:
    leaving = start_server(beside=server)
    async with await Client.connect(leaving) as client:
        await client.receive()
        before = (await fetch(server)).json["processes"]
    await asyncio.to_thread(leaving.stop)
    after = (await fetch(server)).json["processes"]
    assert len(after) == len(before) - 1


@pytest.mark.parametrize("user", ["operator", None])
def test_others_than_staff_are_refused(server: Server, user: str | None) -> None:
    for method, path in (("GET", ""), ("POST", "c-1/disconnect/")):
        answer = server.fetch(f"/api/connections/{path}", method=method, user=user)
        assert answer.status == (403 if user else 401)


@pytest.mark.parametrize(
    "body", ['{"reason": 7}', '{"why": "x"}', "[]", json.dumps({"reason": "x" * 201}), "{"]
)
def test_nonsense_is_refused(server: Server, body: str) -> None:
    path = "/api/connections/c-1/disconnect/"
    answer = server.fetch(path, method="POST", user="admin", headers=JSON, body=body)
    assert answer.status == 400
    assert answer.json["message"]


async def test_process_that_was_killed_is_listed_once_more_without_its_connections(
    start_server: StartServer, server: Server
) -> None:
    dying = start_server(beside=server)
    async with await Client.connect(dying) as client:
        await client.receive()
        asked = (await fetch(server)).json["processes"]
        assert all(process["has_answered"] for process in asked)
        await asyncio.to_thread(dying.program.kill)
    body = (await fetch(server)).json
    (gone,) = [each["process"] for each in body["processes"] if not each["has_answered"]]
    assert gone not in [each["process"] for each in body["results"]]
    assert gone not in [each["process"] for each in (await fetch(server)).json["processes"]]
