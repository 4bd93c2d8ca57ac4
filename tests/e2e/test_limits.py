"""Limits that a client reaches by what it sends, or does not send."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import Client
from tests.e2e.support.followers import Follower
from tests.e2e.support.servers import DAPHNE, HEARTBEAT_SECONDS, UVICORN, Server

PIECE = "x" * 1024
LARGEST_MESSAGE_PIECES = 64
MOST_FILTER_VALUES = 200
HANDSHAKE_SECONDS = 2 * HEARTBEAT_SECONDS
PATIENCE_SECONDS = 30.0


@pytest.mark.parametrize(("command", "code"), [(DAPHNE, 1009), (UVICORN, 4009)])
async def test_message_in_pieces_is_as_large_as_its_pieces(
    start_server: StartServer, command: tuple[str, ...], code: int
) -> None:
    server = start_server(command=command)
    client = await Client.connect(server)
    await client.receive_type("snapshot")
    await client.send_pieces([PIECE] * LARGEST_MESSAGE_PIECES)
    assert (await client.receive_type("error"))["code"] == "invalid_json"
    await client.send_pieces([PIECE] * LARGEST_MESSAGE_PIECES + ["x"])
    _, closed_with, _ = await client.receive_until_closed()
    assert closed_with == code


async def test_subscription_is_as_large_as_it_may_be_and_no_larger(server: Server) -> None:
    most = [f"S{number}/USDT" for number in range(MOST_FILTER_VALUES)]
    async with await Client.connect(server, {"symbol": ",".join(most)}) as client:
        greeting = await client.receive()
        command = {"action": "subscribe", "feeds": ["position_update"]}
        asked = {"position_update": {"symbol": [*most, "one more"]}}
        error = await client.ask({**command, "filters": asked}, "error")
        assert (error["code"], error["fatal"]) == ("invalid_value", False)
        asked["position_update"]["symbol"] = most[1:]
        answer = await client.ask({**command, "filters": asked}, "subscribed")
    assert set(greeting["filters"]["position_update"]["symbol"]) == set(most)
    assert set(answer["filters"]["position_update"]["symbol"]) == set(most[1:])


@pytest.mark.parametrize(
    "query",
    [
        {"symbol": ",".join(map(str, range(MOST_FILTER_VALUES + 1)))},
        {f"filter{number}": "x" for number in range(101)},
    ],
    ids=["too many values", "too many parameters"],
)
async def test_query_that_asks_for_too_much_is_said_and_left_out(
    server: Server, query: dict[str, str]
) -> None:
    async with await Client.connect(server, query) as client:
        greeting, error = await client.receive(), await client.receive()
    assert greeting["filters"] == {}
    assert (error["code"], error["fatal"]) == ("invalid_value", False)


async def test_handshake_that_is_not_finished_in_time_is_cut_off(
    start_server: StartServer,
) -> None:
    server = start_server(REALTIME_HANDSHAKE_SECONDS=str(HANDSHAKE_SECONDS))
    good = Follower(server)
    await good.connect()
    beginnings = (b"", b"GET /ws HTT", b"GET /ws HTTP/1.1\r\nUpgrade: web")
    answers = await asyncio.gather(*(answer_to(server, beginning) for beginning in beginnings))
    assert answers == [b""] * len(beginnings)
    # Whoever finished it stays.
    for _ in range(4):
        await good.client.receive_type("heartbeat")
    await good.close()


async def answer_to(server: Server, beginning: bytes) -> bytes:
    """All that comes back, until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(beginning)
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer
