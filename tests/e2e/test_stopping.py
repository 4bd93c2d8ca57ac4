"""SIGTERM: clients are told when to come back, the process ends soon, and its log is clean."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import Client
from tests.e2e.support.servers import DAPHNE, UVICORN, Server

# With clients that answer: far less than the server would give them.
PROMPT_SECONDS = 10.0
DRAIN_SECONDS = 30
HANDSHAKE = (
    "GET /ws?token={token} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Server:
    """A server that would wait long for clients that do not answer."""
    return start_server(REALTIME_DRAIN_SECONDS=str(DRAIN_SECONDS))


@pytest.fixture
def serving(server: Server) -> Server:
    """The module's server, started again where the test before has stopped it."""
    if server.program.has_ended:
        server.start()
    return server


def assert_log_is_clean(log: str) -> None:
    for word in ("Traceback", "ERROR", "CRITICAL", "Unhandled", "never retrieved"):
        assert word not in log, log


async def stop(server: Server) -> float:
    """SIGTERM; returns how long the process took to end."""
    began = time.monotonic()
    status = await asyncio.to_thread(server.program.terminate)
    # uvicorn ends by the signal that it was sent, after its work.
    assert status in (0, -signal.SIGTERM if server.command == UVICORN else 0)
    return time.monotonic() - began


async def test_clients_are_told_when_to_come_back(serving: Server) -> None:
    clients = [await Client.connect(serving) for _ in range(5)]
    for client in clients:
        await client.receive_type("snapshot")
    stopping = asyncio.create_task(stop(serving))
    pauses = []
    for client in clients:
        messages, code, reason = await client.receive_until_closed()
        farewell = messages[-1]
        assert farewell["type"] == "server_closing"
        pauses.append(farewell["reconnect_after"])
        assert (code, reason) == (1012, "server_closing")
    assert await stopping < PROMPT_SECONDS
    # Not all at the same moment.
    assert len(set(pauses)) > 1
    assert all(0 < pause <= 10 for pause in pauses)
    assert_log_is_clean(serving.log)


async def test_server_without_clients_ends_at_once(serving: Server) -> None:
    assert await stop(serving) < PROMPT_SECONDS
    assert_log_is_clean(serving.log)


async def connect_and_say_nothing(server: Server) -> Callable[[], None]:
    """A connection of which the server has heard nothing yet."""
    made = socket.create_connection(("127.0.0.1", server.port))
    return made.close


async def shake_hands_and_read_nothing(server: Server) -> Callable[[], None]:
    """A WebSocket on its way: authentication may be running."""
    made = socket.create_connection(("127.0.0.1", server.port))
    made.sendall(HANDSHAKE.format(token=server.tokens["operator"]).encode())
    return made.close


async def shake_half_a_hand(server: Server) -> Callable[[], None]:
    made = socket.create_connection(("127.0.0.1", server.port))
    made.sendall(HANDSHAKE.encode()[:40])
    return made.close


async def connect_and_be_gone(server: Server) -> Callable[[], None]:
    """A client that has just been aborted."""
    client = await Client.connect(server)
    await client.abort()
    return lambda: None


@pytest.mark.parametrize(
    "arrive",
    [
        connect_and_say_nothing,
        shake_hands_and_read_nothing,
        shake_half_a_hand,
        connect_and_be_gone,
    ],
)
async def test_server_ends_cleanly_right_after_a_connect(
    serving: Server, arrive: Callable[[Server], Awaitable[Callable[[], None]]]
) -> None:
    leave = await arrive(serving)
    seconds = await stop(serving)
    leave()
    assert seconds < 2 * PROMPT_SECONDS
    assert_log_is_clean(serving.log)


async def test_clients_come_back_to_the_next_process(serving: Server) -> None:
    async with await Client.connect(serving) as client:
        greeting = await client.receive()
        await client.receive_type("snapshot")
        await stop(serving)
    serving.start()
    ticket = {
        "stream": greeting["stream"],
        "since": greeting["seq"],
        "subscription": greeting["subscription"],
    }
    async with await Client.connect(serving, ticket) as client:
        assert (await client.receive())["resume"] == "live"


@pytest.mark.parametrize(
    ("command", "options"),
    # uvicorn waits without an end unless it is told how long.
    [(DAPHNE, ()), (UVICORN, ("--timeout-graceful-shutdown", "1"))],
)
async def test_open_connection_does_not_hold_the_process_up(
    start_server: StartServer, command: tuple[str, ...], options: tuple[str, ...]
) -> None:
    """A client that neither reads nor answers the close."""
    server = start_server(command=command, options=options, REALTIME_DRAIN_SECONDS="1")
    client = await Client.connect(server, buffers_little=True)
    await client.receive_type("snapshot")
    server.desk.call("publish_logs_at_once", count=500, characters=4000)
    assert await stop(server) < 2 * PROMPT_SECONDS
    await client.abort()
    assert "Traceback" not in server.log, server.log
