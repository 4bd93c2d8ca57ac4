"""What the tests of an app need: see what was published, hand it on by hand, connect a client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import orjson
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.db import connections

from realtime import hub, log, relay
from realtime.conf import conf
from realtime.models import Event

__all__ = ("Published", "StreamClient", "capture_published", "flush")

MESSAGE_SECONDS = 5.0
PUMP_SECONDS = 0.01


class Published(NamedTuple):
    """One event as the code under test published it."""

    feed: str
    key: str
    action: str
    data: Mapping[str, Any]


@contextmanager
def capture_published() -> Iterator[list[Published]]:
    """Collect what is published inside the `with`; the list is filled when it ends.

    It sees the events of the test's own transaction, committed or not, and what was rolled back
    is not among them: so it works in Django's `TestCase`, which never commits.
    """
    found: list[Published] = []
    before = log.newest_id()
    yield found
    for event in Event.objects.filter(id__gt=before).order_by("id"):
        found.append(Published(event.feed, event.key, event.action, orjson.loads(event.data)))


def flush() -> None:
    """Number and hand over everything that is committed, in this thread, before it returns.

    For tests with `REALTIME_RELAY=off`, where no relay runs by itself.
    """
    relay.turn()


class StreamClient:
    """A client of the stream, in the test's own process and event loop.

        async with StreamClient(token=key) as client:
            await sync_to_async(open_position)(…)
            message = await client.receive("position_update")

    Its events have to be committed: a test needs `django_db(transaction=True)`. With
    `REALTIME_RELAY=off` it flushes while it waits.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        query: str = "",
        path: str = "/ws",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        from realtime.routing import websocket_application

        given = {name.lower(): value for name, value in (headers or {}).items()}
        if token:
            given["authorization"] = f"Token {token}"
        sent = [(name.encode(), value.encode()) for name, value in given.items()]
        target = f"{path}?{query}" if query else path
        self._socket = WebsocketCommunicator(websocket_application, target, headers=sent)
        self.welcome: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        await self._socket.connect(timeout=MESSAGE_SECONDS)
        self.welcome = await self._next()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.disconnect()
        serving = hub.current()
        if serving is not None and not serving.connection_count:
            # Its tasks belong to this test's event loop.
            await hub.end()
        # The thread of `sync_to_async` keeps its connection, and with it the test's database.
        await sync_to_async(connections.close_all)()

    async def send(self, command: Mapping[str, Any]) -> None:
        """Send one command."""
        await self._socket.send_to(text_data=orjson.dumps(command).decode())

    async def receive(self, *types: str) -> dict[str, Any]:
        """The next message of one of `types`, or the next that is no heartbeat.

        Raises AssertionError after five seconds without it.
        """
        while True:
            message = await self._next()
            if message["type"] in types or (not types and message["type"] != "heartbeat"):
                return message

    async def _next(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + MESSAGE_SECONDS
        # `receive_output` would cancel the application at its timeout; asking whether there is
        # something to receive does not.
        while await self._socket.receive_nothing(timeout=PUMP_SECONDS, interval=PUMP_SECONDS):
            await asyncio.to_thread(_flush_if_by_hand)
            assert loop.time() < deadline, f"no message within {MESSAGE_SECONDS} seconds"
        text = await self._socket.receive_from(timeout=MESSAGE_SECONDS)
        message: dict[str, Any] = orjson.loads(text)
        return message


def _flush_if_by_hand() -> None:
    if not conf().relay:
        relay.turn()
        connections.close_all()
