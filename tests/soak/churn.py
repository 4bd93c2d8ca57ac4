"""Clients that come and go, in every way that a client can."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from tests.e2e.support.clients import Client
from tests.e2e.support.followers import UNREACHABLE
from tests.e2e.support.servers import Server

HANDSHAKE = b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
BAD_COMMANDS = 20
# What a fault may make of a connection.
BROKEN = (*UNREACHABLE, TimeoutError)


async def leave_politely(server: Server) -> None:
    """Take the snapshot and an event, and close."""
    async with await Client.connect(server) as client:
        await client.receive_type("snapshot")
        await client.receive()


async def be_gone(server: Server) -> None:
    """Take the snapshot and be gone without a word."""
    client = await Client.connect(server, {"feeds": "position_update"})
    try:
        await client.receive_type("snapshot")
    finally:
        await client.abort()


async def be_gone_at_once(server: Server) -> None:
    """Be gone while the server is still finding out who it is."""
    client = await Client.connect(server)
    await client.abort()


async def break_off_the_handshake(server: Server) -> None:
    """Be gone in the midst of the request."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(HANDSHAKE)
    await writer.drain()
    writer.transport.abort()


async def be_refused(server: Server) -> None:
    """Present a token that is none."""
    headers = {"Authorization": f"Token {random.getrandbits(256):064x}"}
    async with await Client.connect(server, user=None, headers=headers) as client:
        _, code, _ = await client.receive_until_closed()
    assert code in (1008, 1012, 1013, 1006), code


async def misbehave(server: Server) -> None:
    """Send bad commands until the server has enough of them."""
    async with await Client.connect(server, {"snapshot": 0}) as client:
        for _ in range(BAD_COMMANDS):
            await client.send_raw("{")
        _, code, _ = await client.receive_until_closed()
    assert code in (1008, 1012, 1006), code


async def resume_from_long_ago(server: Server) -> None:
    """Ask for what is pruned, by the whole: a snapshot takes its place."""
    async with await Client.connect(server) as client:
        first = await client.receive_type("connection_established")
        asked = {name: first[name] for name in ("stream", "subscription")}
    async with await Client.connect(server, asked | {"since": 1}) as client:
        await client.receive_type("snapshot")


async def command(server: Server) -> None:
    """Use every command, and close."""
    async with await Client.connect(server, {"snapshot": 0}) as client:
        await client.ask({"action": "unsubscribe", "id": 1, "feeds": ["system_log"]}, "subscribed")
        filters = {"position_update": {"symbol": ["BTC/USDT"]}}
        subscribe = {"action": "subscribe", "id": 2, "filters": filters, "max_rate": 5}
        await client.ask(subscribe | {"feeds": ["position_update"]}, "subscribed")
        await client.ask({"action": "snapshot", "id": 3}, "snapshot")
        await client.ask({"action": "ping", "id": 4}, "pong")


VISITS: Sequence[Callable[[Server], Awaitable[None]]] = (
    leave_politely,
    leave_politely,
    be_gone,
    be_gone_at_once,
    break_off_the_handshake,
    be_refused,
    misbehave,
    resume_from_long_ago,
    command,
)


class Churn:
    """So many visits a second, each of some kind at some server."""

    def __init__(self, servers: Sequence[Server], *, per_second: float) -> None:
        self.visits: Counter[str] = Counter()
        self._servers = servers
        self._pause = 1 / per_second

    async def run(self, seconds: float) -> None:
        """Let visitors come for so long; returns when the last has gone."""
        loop = asyncio.get_running_loop()
        moment = loop.time()
        end = moment + seconds
        async with asyncio.TaskGroup() as tasks:
            while moment < end:
                # As many come to a busy machine.
                moment += random.uniform(0, 2 * self._pause)
                await asyncio.sleep(moment - loop.time())
                tasks.create_task(self._visit())

    async def _visit(self) -> None:
        visit = random.choice(VISITS)
        try:
            await visit(random.choice(self._servers))
        except BROKEN:
            # The faults' doing. What a visitor leaves behind shows at the next quiet point.
            self.visits["broken off"] += 1
        else:
            self.visits[visit.__name__.replace("_", " ")] += 1
