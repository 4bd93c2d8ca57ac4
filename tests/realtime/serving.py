"""A server process without a socket: the real hub and consumer in a loop of their own thread.

The test's thread acts as the relay, so that what happens between two steps is the test's choice.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from realtime import consumers, hub, relay
from realtime.auth.credentials import Credentials, Refused
from realtime.auth.grants import Grants
from realtime.consumers import RealtimeConsumer
from realtime.outlets import OUTLET_EXTENSION
from tests.realtime.fakes import FakeOutlet

Result = TypeVar("Result")

DEADLINE_SECONDS = 30.0
# More turns of the loop than a message takes from the inbox to the outlet.
SETTLING_TURNS = 10
PUMPS = 500


class Server:
    """An event loop with the hub of this process; `grants` by token say who may see what."""

    def __init__(self, grants: Mapping[str, Grants]) -> None:
        self._grants = dict(grants)
        self._authenticate = consumers.authenticate
        consumers.authenticate = self._find_grants
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="realtime-test-server")
        self._thread.start()

    def _run(self) -> None:
        self.loop.run_forever()
        self.loop.close()

    async def _find_grants(self, credentials: Credentials) -> Grants:
        try:
            return self._grants[credentials.token or ""]
        except KeyError:
            raise Refused("invalid_token", "The token is not known.") from None

    def change_grants(self, token: str, grants: Grants) -> None:
        """Let those who present `token` see what `grants` say, also those who are connected."""
        self._grants[token] = grants
        serving = hub.current()
        for member in tuple(serving._members) if serving is not None else ():
            if member.user_key == grants.user_key:
                # As the re-check does.
                self.call(functools.partial(member.on_access_changed, grants))

    def wait_for(self, work: Awaitable[Result]) -> Result:
        """Await `work` in the loop."""

        async def run() -> Result:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(DEADLINE_SECONDS)

    def call(self, job: Callable[[], Result]) -> Result:
        """Run `job` in the loop."""

        async def run() -> Result:
            return job()

        return self.wait_for(run())

    def settle(self) -> None:
        """Let everything that is ready in the loop happen."""

        async def turn() -> None:
            for _ in range(SETTLING_TURNS):
                await asyncio.sleep(0)

        self.wait_for(turn())

    def pump(self, is_done: Callable[[], bool]) -> None:
        """Turn the relay until the loop has what it waits for."""
        for _ in range(PUMPS):
            self.settle()
            if is_done():
                return
            relay.turn()
        raise AssertionError("the server does not come to an end with it")

    def restart(self) -> None:
        """The process ends: its hub forgets everything; the next connection starts another."""
        self.wait_for(hub.end())

    def stop(self) -> None:
        """End the hub, the loop and the relay; afterwards nothing is left."""
        self.restart()
        self.wait_for(self._cancel_tasks())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(DEADLINE_SECONDS)
        consumers.authenticate = self._authenticate
        relay.stop()

    async def _cancel_tasks(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Connection:
    """One connection to the server's consumer, on a fake outlet."""

    def __init__(self, server: Server, *, token: str, query: Mapping[str, str] | None = None):
        self.outlet = FakeOutlet()
        self._server = server
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {
            "type": "websocket",
            "path": "/ws",
            "query_string": urlencode({"token": token, **(query or {})}).encode(),
            "headers": [],
            "subprotocols": [],
            "extensions": {OUTLET_EXTENSION: lambda: self.outlet},
        }
        self._put({"type": "websocket.connect"})
        self._task = server.call(
            lambda: server.loop.create_task(RealtimeConsumer()(scope, self._inbox.get, self._send))
        )
        server.pump(lambda: bool(self.outlet.frames) or self._task.done())

    async def _send(self, message: dict[str, Any]) -> None:
        """What goes past the outlet: the accepting of the handshake."""

    def _put(self, message: dict[str, Any]) -> None:
        self._server.call(lambda: self._inbox.put_nowait(message))

    def send(self, **command: Any) -> None:
        """Send one command and let it be carried out."""
        self._put({"type": "websocket.receive", "text": json.dumps(command)})
        self._server.settle()

    def receive(self) -> list[dict[str, Any]]:
        """The messages written since the last call."""
        return self.outlet.take_messages()

    def block(self) -> None:
        """The client stops reading."""
        self._server.call(self.outlet.block)

    def make_room(self, room_bytes: float = float("inf")) -> None:
        """The client has read."""
        self._server.call(lambda: self.outlet.make_room(room_bytes))

    @property
    def is_writable(self) -> bool:
        """Whether everything that is sent has arrived."""
        return self.outlet.is_writable

    def disconnect(self) -> None:
        """The connection is gone."""
        self._put({"type": "websocket.disconnect"})
        self._server.pump(self._task.done)
        with contextlib.suppress(asyncio.CancelledError):
            self._task.result()
