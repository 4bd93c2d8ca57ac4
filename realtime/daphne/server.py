"""Daphne's server, subclassed at its public points."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from daphne.server import Server
from twisted.internet import defer, reactor

from realtime.conf import conf
from realtime.daphne.forwarded import correct_scope
from realtime.daphne.memory import give_back_large_buffers
from realtime.daphne.protocol import RealtimeWebSocketProtocol
from realtime.masking import mask
from realtime.outlets import CLOSE_SECONDS, OUTLET_EXTENSION

logger = logging.getLogger(__name__)


class RealtimeServer(Server):
    """Sends close codes and reasons as they are, offers an outlet, and drains on SIGTERM."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ports: list[Any] = []
        self._next_ready_callable: Callable[[], None] | None = self.ready_callable
        self.ready_callable: Callable[[], None] = self._make_ready

    def run(self) -> None:
        """Serve until stopped; the reactor's timers go by a clock that nobody sets."""
        reactor.seconds = time.monotonic  # type: ignore[method-assign, misc]
        super().run()

    def _make_ready(self) -> None:
        # Called after the factories are made and before the reactor runs.
        give_back_large_buffers()
        self.http_factory.timeOut = conf().handshake_seconds
        self.ws_factory.protocol = RealtimeWebSocketProtocol
        # A client that breaks the protocol is told so by a close frame (1007, 1009, …).
        self.ws_factory.setProtocolOptions(
            failByDrop=False,
            # Each call forgets that a page of no origin (a file) may connect, with a token.
            allowNullOrigin=True,
            closeHandshakeTimeout=CLOSE_SECONDS,
        )
        if self._next_ready_callable is not None:
            self._next_ready_callable()

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Correct what clients could forge; advertise the outlet to WebSocket applications."""
        correct_scope(
            scope,
            root_path=self.root_path,
            address_header=self.proxy_forwarded_address_header,
        )
        # The access log shows it.
        protocol.client_addr = scope["client"]
        if isinstance(protocol, RealtimeWebSocketProtocol):
            scope.setdefault("extensions", {})[OUTLET_EXTENSION] = protocol.make_outlet
        return super().create_application(protocol, scope)

    def listen_success(self, port: Any) -> None:
        """Remember the port, which Daphne forgets, so that a draining server can close it."""
        self._ports.append(port)
        super().listen_success(port)

    def log_action(self, protocol: str, action: str, details: dict[str, Any]) -> None:
        """Log without credentials: the access log prints query strings, to its own stream."""
        super().log_action(protocol, action, details | {"path": mask(details["path"])})

    def kill_all_applications(self) -> Any:
        """Called before the reactor stops: let the clients go in order, then end what is left."""
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._drain()))

    async def _drain(self) -> None:
        # Not at the top: the server is imported before Django is set up.
        from realtime import hub

        for port in self._ports:
            port.stopListening()
        serving = hub.current()
        if serving is not None:
            logger.info("Draining %s connections", serving.connection_count)
            await serving.drain(deadline_seconds=conf().drain_seconds)
        # A connection may have come a moment ago and have no application yet.
        instances = [details.get("application_instance") for details in self.connections.values()]
        running = [task for task in instances if task is not None and not task.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await hub.end()
