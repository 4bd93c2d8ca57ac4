"""The WebSocket consumer: translates between an ASGI connection, its session and the hub."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from django.db import DatabaseError

from realtime import messages
from realtime.access import present_grants
from realtime.auth import Refused, authenticate, in_thread, read_credentials
from realtime.conf import conf
from realtime.delivery import Delivery
from realtime.frames import Frame
from realtime.grants import Grants
from realtime.hub import Hub, running_hub
from realtime.hub import current as current_hub
from realtime.members import Member
from realtime.outlets import OUTLET_EXTENSION, AsgiOutlet, Outlet, Send
from realtime.parameters import Problem, Request, choose_subscription, parse_query
from realtime.resuming import Missed, Start
from realtime.session import Close, Effect, Reply, Resubscribe, SendSnapshot, Session
from realtime.timestamps import timestamp

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
STATE_SECONDS = 10.0
UNAVAILABLE = Refused(
    "unavailable", "The server cannot read its database. Come back with backoff.", close_code=1013
)


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
            grants = refused
        except DatabaseError:
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
        last = messages.error(timestamp=timestamp(), code=why.code, text=why.text, fatal=True)
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
                missed = await hub.find_missed(request.resume, subscription)
            except DatabaseError:
                await self._refuse(outlet, UNAVAILABLE)
                return
            # Others may have come meanwhile.
            refusal = _limit_reached(hub, grants)
            if refusal is not None:
                await self._refuse(outlet, refusal)
                return
        member = self._make_member(hub, outlet, session)
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
                member.on_access_changed()
            await self._converse(hub, member, session)
        finally:
            hub.leave(member)

    def _make_member(self, hub: Hub, outlet: Outlet, session: Session) -> Member:
        delivery = Delivery(
            outlet,
            budget_bytes=conf().budget_bytes,
            take_snapshot=lambda dropped: hub.snapshot(member, dropped=dropped),
            timestamp=timestamp,
            clock=time.monotonic,
        )
        member = Member(
            connection_id=self._id,
            user_key=session.grants.user_key,
            delivery=delivery,
            subscription=session.subscription,
            on_access_changed=lambda: second_look.begin(),
        )
        second_look = SecondLook(hub, member, session)
        return member

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

    async def _converse(self, hub: Hub, member: Member, session: Session) -> None:
        is_open = True
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            if not is_open:
                continue
            text = message.get("text")
            effects = session.receive_bytes() if text is None else session.receive_text(text)
            for effect in effects:
                perform(effect, hub=hub, member=member)
                is_open = is_open and not isinstance(effect, Close)


class SecondLook:
    """Looks again at what a connected user may see, when told that it has changed."""

    def __init__(self, hub: Hub, member: Member, session: Session) -> None:
        self._hub = hub
        self._member = member
        self._session = session
        self._task: asyncio.Task[None] | None = None
        self._is_outdated = False

    def begin(self) -> None:
        """Look once more; what changes while it looks is looked at afterwards."""
        self._is_outdated = True
        if self._task is None and self._session.grants.user_pk is not None:
            self._task = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        user_pk = self._session.grants.user_pk
        try:
            while self._is_outdated:
                self._is_outdated = False
                found = await in_thread(lambda: present_grants(user_pk))
                if isinstance(found, Refused):
                    effects = self._session.refuse(found.code, found.text)
                else:
                    effects = self._session.regrant(found)
                for effect in effects:
                    perform(effect, hub=self._hub, member=self._member)
        finally:
            self._task = None


def perform(effect: Effect, *, hub: Hub, member: Member) -> None:
    """Carry out what a session decided."""
    match effect:
        case Reply(frame):
            member.delivery.reply(frame)
        case SendSnapshot(id=id_):
            member.snapshot(replace(hub.snapshot(member), id=id_))
        case Resubscribe(id=id_, subscription=subscription, changed=changed):
            hub.resubscribe(member, subscription)
            answer = messages.subscribed(
                timestamp=timestamp(), id=id_, subscription=subscription, seq=hub.position[1]
            )
            member.delivery.reply(answer)
            if changed:
                member.snapshot(hub.snapshot(member, names=changed))
        case Close(code=code, reason=reason, last=last):
            member.close(code, reason, last=last)


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
