"""A handshake that takes too long: Autobahn gives the connection up, and the application learns."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from daphne.ws_protocol import WebSocketFactory
from twisted.internet.error import ConnectionAborted
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from realtime.daphne.protocol import RealtimeWebSocketProtocol
from realtime.daphne.server import RealtimeServer

REQUEST = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Handshake:
    """A connection whose application has not answered yet; the test keeps the time."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.server = RealtimeServer(application=self.application, endpoints=["tcp:0"])
        self.server.connections = {}
        factory = WebSocketFactory(self.server)
        factory.protocol = RealtimeWebSocketProtocol
        self.protocol = factory.buildProtocol(None)
        self.protocol._raw_query_string = b""
        self.transport = StringTransport()
        # As the HTTP channel does that a connection comes by.
        self.transport.registerProducer(HTTPChannel(), True)
        self.protocol.makeConnection(self.transport)
        self.protocol.dataReceived(REQUEST)

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        while "websocket.disconnect" not in self.told:
            self.told.append((await receive())["type"])

    async def accept(self) -> None:
        await self.server.handle_reply(self.protocol, {"type": "websocket.accept"})


@pytest.fixture
async def handshake() -> Handshake:
    return Handshake()


async def test_application_that_accepts_is_connected(handshake: Handshake) -> None:
    await handshake.accept()
    assert handshake.transport.value().startswith(b"HTTP/1.1 101 ")


async def test_application_that_accepts_too_late_is_told_of_the_end(handshake: Handshake) -> None:
    # The connection is aborted by Autobahn's timer, and lost at the reactor's next turn.
    handshake.protocol.onOpenHandshakeTimeout()
    await handshake.accept()
    assert handshake.transport.value() == b""
    handshake.protocol.connectionLost(Failure(ConnectionAborted()))
    await asyncio.sleep(0)
    assert handshake.told == ["websocket.connect", "websocket.disconnect"]
