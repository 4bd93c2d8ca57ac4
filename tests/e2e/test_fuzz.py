"""Whatever a client sends, the server lives, logs no exception, and serves the others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
from collections.abc import Awaitable, Callable

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import Client, Message
from tests.e2e.support.followers import Follower
from tests.e2e.support.fuzzing import Fuzzer
from tests.e2e.support.servers import DAPHNE, UVICORN, Server

ATTACKS = 80
AT_A_TIME = 20
# What an attacked server has to say is here by then; most of it says nothing.
LISTENING_SECONDS = 0.15
HANDSHAKE_SECONDS = 30.0
# Each run is another one; a failure names what repeats it.
SEED = int(os.environ.get("FUZZ_SEED", random.SystemRandom().randrange(2**32)))

EXCEPTION = re.compile(r"^\w+Error\b|Unhandled| ERROR (?!django\.security)")

Attack = Callable[[Server, Fuzzer], Awaitable[None]]


async def send_raw(server: Server, *pieces: bytes, after: bytes = b"") -> None:
    """Send bytes, in pieces that arrive apart; read what comes back until it says `after`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if after and piece is pieces[0]:
                async with asyncio.timeout(HANDSHAKE_SECONDS):
                    await reader.readuntil(after)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTENING_SECONDS):
                while await reader.read(65536):
                    pass
    writer.transport.abort()


async def send_frames(server: Server, fuzzer: Fuzzer) -> None:
    """A good handshake, then frames that are none."""
    data = fuzzer.frames()
    middle = len(data) // 2
    await send_raw(server, good_handshake(server), data[:middle], data[middle:], after=b"\r\n\r\n")


async def send_handshake(server: Server, fuzzer: Fuzzer) -> None:
    """A handshake that is none."""
    await send_raw(server, fuzzer.handshake(server.tokens["operator"]))


async def send_commands(server: Server, fuzzer: Fuzzer) -> None:
    """Whole frames with text that is nearly a command; every one is answered, or the last."""
    async with await Client.connect(server) as client:
        await client.receive_type("snapshot")
        for _ in range(5):
            await client.send_raw(fuzzer.command().decode("utf-8", "replace"))
        await client.send({"action": "ping", "id": "last"})
        await answer_to_the_last(client)


async def answer_to_the_last(client: Client) -> Message:
    while True:
        message = await client.receive()
        if message.get("id") == "last":
            return message
        assert message["type"] != "error" or not message["fatal"], message


def good_handshake(server: Server) -> bytes:
    return (
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Token {server.tokens['operator']}\r\n\r\n"
    ).encode()


async def test_handshake_is_read_without_subprotocols_that_are_no_ascii(server: Server) -> None:
    strange = b"Sec-WebSocket-Protocol: realtime.v1, bearer.\xff\r\n\r\n"
    asked = good_handshake(server).removesuffix(b"\r\n") + strange
    await send_raw(server, asked, after=b"HTTP/1.1 101 ")
    assert raised(server.log) == [], server.log


@pytest.mark.parametrize(
    ("command", "attack"),
    [
        (DAPHNE, send_frames),
        (DAPHNE, send_handshake),
        (DAPHNE, send_commands),
        # What another server makes of broken frames is its own affair.
        (UVICORN, send_commands),
    ],
)
async def test_nonsense_raises_nothing_and_disturbs_nobody(
    start_server: StartServer, command: tuple[str, ...], attack: Attack
) -> None:
    server = start_server(command=command, REALTIME_MAX_CONNECTIONS_PER_USER="1000")
    good = Follower(server)
    await good.connect()
    await good.follow_until(lambda: good.is_current)
    told = []
    for first in range(SEED, SEED + ATTACKS, AT_A_TIME):
        seeds = range(first, first + AT_A_TIME)
        await asyncio.gather(*(attack(server, Fuzzer(seed)) for seed in seeds))
        told.append(f"after {first}")
        server.desk.publish_log(told[-1])
        await good.follow_to(len(told))
    assert [event["data"]["message"] for event in good.events] == told
    assert good.resyncs == 0
    assert good.starts.total() == 1
    await good.close()
    assert not server.program.has_ended
    assert raised(server.log) == [], f"FUZZ_SEED={SEED}\n{server.log}"


def raised(log: str) -> list[str]:
    """The lines that tell of an exception; a Host that is none is Django's to note."""
    return [line for line in log.splitlines() if EXCEPTION.search(line)]
