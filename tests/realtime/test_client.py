"""The client for the terminal, against a real server's bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from websockets.asyncio.server import ServerConnection, serve

from realtime import client
from realtime.client import Disconnected, listen

Handler = Callable[[ServerConnection], Awaitable[None]]
SERVER_SECONDS = 10.0


@contextlib.asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    """A WebSocket server of another make; yields its address."""
    async with serve(handler, "127.0.0.1", 0, subprotocols=["realtime.v1"]) as running:  # type: ignore[list-item]
        port = running.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/ws?feeds=position_update"


async def heard(url: str, token: str | None = None) -> tuple[list[str], str]:
    """Every message until the end, and what was said of the end."""
    messages: list[str] = []
    try:
        async with asyncio.timeout(SERVER_SECONDS):
            async for message in listen(url, token):
                messages.append(message)
    except Disconnected as end:
        return messages, str(end)
    raise AssertionError("the stream ended without a word")


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536, 200_000])
async def test_message_of_any_length_arrives(length: int) -> None:
    text = "é" + "x" * length

    async def send(socket: ServerConnection) -> None:
        await socket.send(text)
        await socket.close(1012, "server_closing")

    async with server(send) as url:
        assert await heard(url) == ([text], "closed with 1012 server_closing")


async def test_token_travels_as_a_header_and_the_query_in_the_path() -> None:
    seen: list[tuple[str, str | None, str | None]] = []

    async def note(socket: ServerConnection) -> None:
        assert socket.request is not None
        headers = socket.request.headers
        seen.append((socket.request.path, headers.get("Authorization"), socket.subprotocol))

    async with server(note) as url:
        await heard(url, "KEY")
        await heard(url)
    assert seen == [
        ("/ws?feeds=position_update", "Token KEY", "realtime.v1"),
        ("/ws?feeds=position_update", None, "realtime.v1"),
    ]


async def test_ping_is_answered() -> None:
    async def ping(socket: ServerConnection) -> None:
        await asyncio.wait_for(await socket.ping(b"are you there"), SERVER_SECONDS)
        await socket.send("it was")

    async with server(ping) as url:
        messages, _ = await heard(url)
    assert messages == ["it was"]


async def test_close_without_a_reason_has_its_code() -> None:
    async def close(socket: ServerConnection) -> None:
        await socket.close(1008)

    async with server(close) as url:
        assert await heard(url) == ([], "closed with 1008")


async def test_server_that_vanishes_is_a_lost_connection() -> None:
    async def vanish(socket: ServerConnection) -> None:
        socket.transport.abort()

    async with server(vanish) as url:
        messages, end = await heard(url)
    assert messages == []
    assert "lost" in end or "reset" in end.lower()


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"]
)
async def test_refused_or_forged_handshake_is_told(answer: bytes) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    running = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with running:
        port = running.sockets[0].getsockname()[1]
        _, end = await heard(f"ws://127.0.0.1:{port}/ws")
    assert end == f"refused: {answer.decode().splitlines()[0]}"


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["client", *arguments])
    return client.main()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/ws", "nonsense", ""])
def test_address_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    with pytest.raises(SystemExit) as end:
        run_main(monkeypatch, url)
    assert end.value.code == 2
    assert "ws://" in capsys.readouterr().err


def test_server_that_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "ws://127.0.0.1:1/ws") == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_interrupt_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupt(url: str, token: str | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "_print_all", interrupt)
    assert run_main(monkeypatch, "ws://127.0.0.1:1/ws") == 0
