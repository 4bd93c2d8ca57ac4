"""Closing: each code with its reason, and the error that says more before it."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import Client, Message
from tests.e2e.support.servers import UVICORN, Server

LARGEST_MESSAGE_BYTES = 64 * 1024
COMMANDS_A_SECOND = 20
MOST_BAD_COMMANDS = 10


@pytest.fixture(scope="module")
def uvicorn(start_server: StartServer) -> Server:
    """The same application behind a server that is not ours."""
    return start_server(command=UVICORN)


def private(code: int) -> int:
    """How a code travels through a server that may refuse to send it."""
    return 4000 + code - 1000


async def connected(server: Server) -> Client:
    client = await Client.connect(server)
    await client.receive_type("snapshot")
    return client


def errors(messages: list[Message]) -> list[tuple[str, bool]]:
    return [(each["code"], each["fatal"]) for each in messages if each["type"] == "error"]


async def test_client_leaves_with_a_normal_closure(server: Server) -> None:
    client = await connected(server)
    await client.close()
    messages, code, _ = await client.receive_until_closed()
    assert code == 1000
    assert errors(messages) == []


async def test_binary_frame_closes_with_1003(server: Server) -> None:
    client = await connected(server)
    await client.send_raw(b'{"action": "ping"}')
    _, code, reason = await client.receive_until_closed()
    assert code == 1003
    assert reason


async def test_text_that_is_not_utf_8_closes_with_1007(server: Server) -> None:
    client = await connected(server)
    await client.send_raw(b'{"action": "\xff\xfe"}', text=True)
    _, code, _ = await client.receive_until_closed()
    assert code == 1007


async def test_largest_message_is_read(server: Server) -> None:
    async with await connected(server) as client:
        await client.send_raw("x" * LARGEST_MESSAGE_BYTES)
        assert (await client.receive_type("error"))["code"] == "invalid_json"
        await client.ask({"action": "ping"}, "pong")


async def test_message_over_64_kib_closes_with_1009(server: Server) -> None:
    client = await connected(server)
    await client.send_raw("x" * (LARGEST_MESSAGE_BYTES + 1))
    _, code, _ = await client.receive_until_closed()
    assert code == 1009


async def test_too_many_commands_close_with_1008(server: Server) -> None:
    client = await connected(server)
    for number in range(COMMANDS_A_SECOND + 1):
        await client.send({"action": "ping", "id": number})
    messages, code, reason = await client.receive_until_closed()
    answered = [message["id"] for message in messages if message["type"] == "pong"]
    assert answered == list(range(COMMANDS_A_SECOND))
    assert errors(messages) == [("rate_limited", True)]
    assert (code, reason) == (1008, "rate_limited")


async def test_too_many_bad_commands_close_with_1008(server: Server) -> None:
    client = await connected(server)
    for number in range(MOST_BAD_COMMANDS):
        await client.send({"action": "fly", "id": number})
    messages, code, reason = await client.receive_until_closed()
    expected = [("unknown_action", False)] * (MOST_BAD_COMMANDS - 1)
    assert errors(messages) == [*expected, ("too_many_errors", True)]
    assert (code, reason) == (1008, "too_many_errors")


async def test_too_many_connections_of_a_user_are_refused_with_1013(
    start_server: StartServer,
) -> None:
    server = start_server(REALTIME_MAX_CONNECTIONS_PER_USER="2", REALTIME_MAX_CONNECTIONS="3")
    clients = [await connected(server) for _ in range(2)]
    await assert_full(server, user="operator")
    clients.append(await Client.connect(server, user="admin"))
    await clients[-1].receive_type("snapshot")
    await assert_full(server, user="reader")
    for client in clients:
        await client.close()
    async with await connected(server):
        pass


async def assert_full(server: Server, *, user: str) -> None:
    refused = await Client.connect(server, user=user)
    messages, code, reason = await refused.receive_until_closed()
    assert errors(messages) == [("too_many_connections", True)]
    assert (code, reason) == (1013, "too_many_connections")


async def test_refusal_by_another_server_has_a_private_code(uvicorn: Server) -> None:
    client = await Client.connect(uvicorn, user=None)
    messages, code, _ = await client.receive_until_closed()
    assert errors(messages) == [("authentication_required", True)]
    assert code == private(1008)


async def test_binary_frame_at_another_server_has_a_private_code(uvicorn: Server) -> None:
    client = await connected(uvicorn)
    await client.send_raw(b"{}")
    _, code, _ = await client.receive_until_closed()
    assert code == private(1003)


async def test_largest_message_of_another_server_is_the_same(uvicorn: Server) -> None:
    client = await connected(uvicorn)
    await client.send_raw("x" * LARGEST_MESSAGE_BYTES)
    assert (await client.receive_type("error"))["code"] == "invalid_json"
    await client.send_raw("x" * (LARGEST_MESSAGE_BYTES + 1))
    _, code, _ = await client.receive_until_closed()
    assert code == private(1009)


async def test_misbehaviour_at_another_server_has_a_private_code(uvicorn: Server) -> None:
    client = await connected(uvicorn)
    for number in range(COMMANDS_A_SECOND + 1):
        await client.send({"action": "ping", "id": number})
    messages, code, _ = await client.receive_until_closed()
    assert errors(messages) == [("rate_limited", True)]
    assert code == private(1008)


async def test_another_server_serves_the_same_messages(uvicorn: Server) -> None:
    async with await Client.connect(uvicorn, subprotocols=["realtime.v1"]) as client:
        greeting, snapshot = await client.receive(), await client.receive()
        uvicorn.desk.publish_log("heard")
        event = await client.receive_type("system_log")
        beat = await client.receive_type("heartbeat")
        assert client.subprotocol == "realtime.v1"
    assert greeting["type"] == "connection_established"
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", greeting["seq"])
    assert event["data"]["message"] == "heard"
    assert beat["seq"] == event["seq"] == snapshot["seq"] + 1
