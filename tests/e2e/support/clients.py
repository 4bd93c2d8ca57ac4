"""A client as a program would write one: connects, receives messages, sends commands."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import socket
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.e2e.support.servers import Server

Message = dict[str, Any]
Query = Mapping[str, str | int]

PATIENCE_SECONDS = 30.0
# What a client that is slow to read takes from the wire before the server feels it.
SMALL_BUFFER_BYTES = 8192
# Small segments keep the server's own socket buffer small, too.
SMALL_SEGMENT_BYTES = 1400

# The number that the newest committed event has, or will have.
COMMITTED = (
    "SELECT head + (SELECT count(*) FROM realtime_event WHERE seq IS NULL) AS seq "
    "FROM realtime_stream"
)


class Client:
    """One connection; `async with` closes it."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @classmethod
    async def connect(
        cls,
        server: Server,
        query: Query | None = None,
        *,
        user: str | None = "operator",
        path: str = "/ws",
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] | None = None,
        buffers_little: bool = False,
    ) -> Self:
        """Open a connection; as `user` by the header with its token, or as nobody."""
        sent = dict(headers or {})
        if user is not None:
            sent["Authorization"] = f"Token {server.tokens[user]}"
        target = f"ws://127.0.0.1:{server.port}{path}" + (f"?{urlencode(query)}" if query else "")
        offered = [Subprotocol(name) for name in subprotocols] if subprotocols else None
        connection = await connect(
            target,
            additional_headers=sent,
            subprotocols=offered,
            sock=await _small_socket(server.port) if buffers_little else None,
            compression=None,
            max_size=None,
            # A test that is busy elsewhere still answers pings: nothing waits in the library.
            max_queue=1 if buffers_little else None,
            open_timeout=PATIENCE_SECONDS,
            ping_interval=None,
            proxy=None,
        )
        return cls(connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose."""
        return self._connection.subprotocol

    async def receive(self) -> Message:
        """The next message; raises ConnectionClosed at the end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            text = await self._connection.recv()
        assert isinstance(text, str), f"a binary frame: {text!r}"
        message = _parse(text)
        assert {"type", "timestamp"} <= message.keys(), message
        return message

    async def receive_type(self, wanted: str) -> Message:
        """The next message of this type; what comes before it is dropped."""
        # Heartbeats go on for ever: the wait as a whole has its limit, too.
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (message := await self.receive())["type"] != wanted:
                pass
        return message

    async def receive_until_closed(self) -> tuple[list[Message], int, str]:
        """All that still comes, then the code and the reason of the close."""
        messages = []
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    messages.append(await self.receive())
        except ConnectionClosed as closed:
            code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
            return messages, code, reason

    async def send(self, command: object) -> None:
        """Send a command as JSON."""
        await self._connection.send(json.dumps(command))

    async def send_raw(self, payload: str | bytes, *, text: bool | None = None) -> None:
        """Send anything at all, as a binary frame when it is bytes and not said to be text."""
        await self._connection.send(payload, text=text)

    async def send_pieces(self, pieces: Sequence[str]) -> None:
        """Send one message in as many frames."""
        await self._connection.send(pieces)

    async def ask(self, command: Mapping[str, Any], answer: str) -> Message:
        """Send a command and return its answer."""
        await self.send(command)
        return await self.receive_type(answer)

    async def close(self) -> None:
        """Leave with a closing handshake."""
        leaving = asyncio.create_task(self._connection.close())
        with contextlib.suppress(ConnectionClosed):
            while True:
                # What is still on its way would keep the server's close frame from being read.
                await self._connection.recv()
        await leaving

    async def abort(self) -> None:
        """Be gone without a word, as when the network is."""
        self._connection.transport.abort()
        await self._connection.wait_closed()


@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> Message:
    """The message of a frame; a crowd of clients that gets the same one shares it."""
    return dict(json.loads(text))


async def catch_up(server: Server) -> None:
    """Wait until the server has passed on everything that is committed by now."""
    committed = max((row["seq"] for row in server.database.rows(COMMITTED)), default=0)
    async with await Client.connect(server, {"snapshot": 0}) as client:
        seq = (await client.receive())["seq"]
        while seq < committed:
            seq = (await client.receive())["seq"]


async def _small_socket(port: int) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT_BYTES)
    await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
    return made
