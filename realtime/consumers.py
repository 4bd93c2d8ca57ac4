"""The WebSocket consumer: translates between an ASGI connection, its session and the hub."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from django.db import Error as DatabaseError

from realtime import messages, metrics
from realtime.auth.credentials import UNAVAILABLE, Refused, authenticate, read_credentials
from realtime.auth.grants import Grants
from realtime.auth.guessing import address_of_scope, hold_seconds
from realtime.conf import conf
from realtime.conversation import Conversation
from realtime.delivery import Delivery
from realtime.frames import Frame
from realtime.hub import Hub, running_hub
from realtime.hub import current as current_hub
from realtime.members import Member, Origin
from realtime.outlets import OUTLET_EXTENSION, AsgiOutlet, Outlet, Send
from realtime.parameters import Problem, Request, choose_subscription, parse_query
from realtime.resuming import Missed, Start
from realtime.session import Session
from realtime.timestamps import now, timestamp

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
STATE_SECONDS = 10.0


class RealtimeConsumer:
    """An ASGI application for one route; each connection is one call."""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection until it closes."""
        message = await receive()
        if message["type"] != "websocket.connect":
            return
        await Connection(scope, receive, send).run()


class Connection:
    """One client, from its handshake to its close."""

    def __init__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._id = f"c-{secrets.token_hex(4)}"
        self._own_outlet: AsgiOutlet | None = None
        self._access_changes = 0

    async def run(self) -> None:
        """Let the client in, or tell it why not; then serve it."""
        request = parse_query(self._scope.get("query_string", b""))
        grants: Grants | Refused
        serving = current_hub()
        self._access_changes = serving.access_changes if serving is not None else 0
        try:
            credentials = read_credentials(self._scope, query_token=request.token)
            grants = await authenticate(credentials)
        except Refused as refused:
            metrics.auth_failures.labels(refused.code).inc()
            grants = refused
        except (DatabaseError, TimeoutError):
            logger.warning("A client cannot be let in: the database does not answer")
            grants = UNAVAILABLE
        offered = self._scope.get("subprotocols", ())
        subprotocol = messages.SUBPROTOCOL if messages.SUBPROTOCOL in offered else None
        # A refused client is accepted first: a browser cannot read a refused handshake.
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol})
        try:
            async with asyncio.timeout(None) as patience:
                outlet = self._make_outlet(patience)
                if isinstance(grants, Refused):
                    await self._refuse(outlet, grants)
                else:
                    await self._serve(outlet, request, grants)
        except TimeoutError:
            # A server other than ours would keep a client that reads nothing, not even its close.
            if not patience.expired():
                raise
        finally:
            if self._own_outlet is not None:
                await self._own_outlet.stop()

    def _make_outlet(self, patience: asyncio.Timeout) -> Outlet:
        make: Callable[[], Outlet] | None = self._scope.get("extensions", {}).get(OUTLET_EXTENSION)
        if make is not None:
            return make()
        self._own_outlet = AsgiOutlet(self._send, patience=patience)
        return self._own_outlet

    async def _refuse(self, outlet: Outlet, why: Refused) -> None:
        if why.is_guess:
            # Not before the handshake is over: a server gives up one that takes seconds.
            await asyncio.sleep(hold_seconds(address_of_scope(self._scope)))
        last = messages.error(timestamp=timestamp(), code=why.code, text=why.text, fatal=True)
        metrics.closes.labels(why.code).inc()
        outlet.write((last,))
        outlet.close(why.close_code, why.code)
        while (await self._receive())["type"] != "websocket.disconnect":
            # Whatever a refused client still says is not heard.
            continue

    async def _serve(self, outlet: Outlet, request: Request, grants: Grants) -> None:
        hub = running_hub()
        if not await hub.ready(timeout_seconds=STATE_SECONDS):
            await self._refuse(outlet, UNAVAILABLE)
            return
        refusal = _limit_reached(hub, grants)
        if refusal is not None:
            await self._refuse(outlet, refusal)
            return
        subscription, problems = choose_subscription(request, grants)
        session = Session(
            grants=grants, subscription=subscription, timestamp=timestamp, clock=time.monotonic
        )
        missed = Missed()
        if request.resume is not None:
            try:
                async with asyncio.timeout(STATE_SECONDS):
                    missed = await hub.find_missed(request.resume, subscription)
            except (DatabaseError, TimeoutError):
                await self._refuse(outlet, UNAVAILABLE)
                return
            # Others may have come meanwhile.
            refusal = _limit_reached(hub, grants)
            if refusal is not None:
                await self._refuse(outlet, refusal)
                return
        member, conversation = self._begin(hub, outlet, session)
        try:
            hub.join(
                member,
                wants_snapshot=request.wants_snapshot,
                resume=request.resume,
                missed=missed,
                greet=lambda start: self._greeting(start, grants, session),
                notes=[_note(problem) for problem in (*request.problems, *problems)],
            )
            if hub.access_changes != self._access_changes:
                # It was let in by what held before.
                hub.rechecks.look_at(member)
            conversation.start()
            await self._converse(conversation)
        finally:
            conversation.stop()
            hub.leave(member)

    def _begin(self, hub: Hub, outlet: Outlet, session: Session) -> tuple[Member, Conversation]:
        delivery = Delivery(
            outlet,
            budget_bytes=conf().budget_bytes,
            take_snapshot=lambda dropped: hub.replace_backlog(member, dropped),
            timestamp=timestamp,
            clock=time.monotonic,
        )
        member = Member(
            connection_id=self._id,
            user_key=session.grants.user_key,
            delivery=delivery,
            subscription=session.subscription,
            holder=session.grants.holder,
            origin=Origin(session.grants.user_name, address_of_scope(self._scope), now()),
            on_access_changed=lambda found: conversation.take_access(found),
        )
        conversation = Conversation(
            hub,
            member,
            session,
            check=lambda credentials: authenticate(credentials),
            address=address_of_scope(self._scope),
        )
        return member, conversation

    def _greeting(self, start: Start, grants: Grants, session: Session) -> Frame:
        return messages.established(
            timestamp=timestamp(),
            service_name=conf().service_name,
            connection_id=self._id,
            user=grants.user_name,
            stream=start.stream,
            seq=start.seq,
            subscription=session.subscription,
            outcome=start.outcome,
            reason=start.reason,
            heartbeat_seconds=conf().heartbeat_seconds,
        )

    async def _converse(self, conversation: Conversation) -> None:
        is_open = True
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            if is_open:
                is_open = await conversation.receive(message.get("text"))


def _limit_reached(hub: Hub, grants: Grants) -> Refused | None:
    if hub.is_draining:
        return Refused("server_closing", "The server restarts. Come back.", close_code=1012)
    if hub.connection_count >= conf().max_connections:
        text = "The server serves no further connections. Come back with backoff."
        return Refused("too_many_connections", text, close_code=1013)
    if hub.connections_of(grants.user_key) >= conf().max_connections_per_user:
        text = f"A user may hold {conf().max_connections_per_user} connections to a server."
        return Refused("too_many_connections", text, close_code=1013)
    return None


def _note(problem: Problem) -> Frame:
    return messages.error(timestamp=timestamp(), code=problem.code, text=problem.text)
