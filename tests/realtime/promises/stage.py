"""The real hub and consumer in the test's own event loop; the log is played by the test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import pytest

from realtime import consumers, hub
from realtime.auth.credentials import Credentials
from realtime.auth.grants import Grants
from realtime.consumers import RealtimeConsumer
from realtime.frames import Frame
from realtime.log import LoggedEvent, Position
from realtime.outlets import OUTLET_EXTENSION
from tests.realtime.fakes import FakeOutlet

IDENTITY = "9f2c41d0"
# More turns of the loop than anything needs that waits for nothing else.
SETTLING_TURNS = 20


class WatchedOutlet(FakeOutlet):
    """Calls back once, after the first write: something else happens in the loop just then."""

    def __init__(self, on_first_write: Callable[[], None]) -> None:
        super().__init__()
        self._on_first_write: Callable[[], None] | None = on_first_write

    def write(self, frames: Sequence[Frame]) -> None:
        super().write(frames)
        if self._on_first_write is not None:
            callback, self._on_first_write = self._on_first_write, None
            asyncio.get_running_loop().call_soon(callback)


class Stage:
    """One server process whose hub gets its events by hand."""

    def __init__(self, grants: Grants, monkeypatch: pytest.MonkeyPatch) -> None:
        async def authenticate(credentials: Credentials) -> Grants:
            return grants

        monkeypatch.setattr(consumers, "authenticate", authenticate)
        self.hub = hub.running_hub()
        self._clients: list[Client] = []

    def load(self, *events: LoggedEvent, head: int, identity: str = IDENTITY) -> None:
        """The hub starts from a state, as its relay makes it do."""
        self.hub.reload(Position(identity, head, 1), events)

    def deliver(self, *events: LoggedEvent) -> None:
        """The hub's relay brings events of the log."""
        self.hub.deliver(IDENTITY, events, polled=True)

    def hear(self, *events: LoggedEvent) -> None:
        """The channel layer brings a batch of another process."""
        self.hub.hear(IDENTITY, events[-1].seq, events)

    async def connect(self, outlet: FakeOutlet | None = None, **query: Any) -> Client:
        """A client connects and is let in."""
        client = Client(outlet or FakeOutlet(), query)
        self._clients.append(client)
        await settle()
        return client

    async def stop(self) -> None:
        """Everybody leaves and the hub ends."""
        for client in self._clients:
            await client.leave()
        await hub.end()


class Client:
    """One connection to the consumer, on a fake outlet."""

    def __init__(self, outlet: FakeOutlet, query: dict[str, Any]) -> None:
        self.outlet = outlet
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._inbox.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "path": "/ws",
            "query_string": urlencode(query).encode(),
            "extensions": {OUTLET_EXTENSION: lambda: outlet},
        }
        serving = RealtimeConsumer()(scope, self._inbox.get, self._accept)
        self._task = asyncio.get_running_loop().create_task(serving)

    async def _accept(self, message: dict[str, Any]) -> None:
        """What goes past the outlet: the accepting of the handshake."""

    def receive(self) -> list[dict[str, Any]]:
        """The messages since the last call."""
        return self.outlet.take_messages()

    def receive_events(self) -> list[int]:
        """The numbers of the events among them."""
        return [message["seq"] for message in self.receive() if "event" in message]

    async def leave(self) -> None:
        """Disconnect."""
        self._inbox.put_nowait({"type": "websocket.disconnect"})
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


async def settle() -> None:
    """Let everything that is ready in the loop happen."""
    for _ in range(SETTLING_TURNS):
        await asyncio.sleep(0)
