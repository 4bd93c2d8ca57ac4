"""A session at work: its effects carried out, its re-checks taken, its credential's end kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime

from django.db import Error as DatabaseError

from realtime import messages, metrics
from realtime.auth.credentials import UNAVAILABLE, Credentials, Refused
from realtime.auth.grants import Grants
from realtime.auth.guessing import hold_seconds
from realtime.conf import conf
from realtime.hub import Hub
from realtime.members import Member
from realtime.session import (
    Authenticate,
    Close,
    Effect,
    Reply,
    Resubscribe,
    SendSnapshot,
    Session,
)
from realtime.timestamps import now, timestamp

logger = logging.getLogger(__name__)

# Timers of an event loop are not made for years; a clock that was set is noticed, too.
LONGEST_TIMER_SECONDS = 3600.0
SHORTEST_TIMER_SECONDS = 0.01

Check = Callable[[Credentials], Awaitable[Grants]]


class Conversation:
    """One client's session between its connection and the hub."""

    def __init__(
        self, hub: Hub, member: Member, session: Session, *, check: Check, address: str
    ) -> None:
        self._hub = hub
        self._member = member
        self._session = session
        self._check = check
        self._address = address
        self._timer: asyncio.TimerHandle | None = None
        self._warned_of: datetime | None = None

    def start(self) -> None:
        """Keep the end of the credential."""
        self._keep_time()

    def stop(self) -> None:
        """Keep it no more: the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def receive(self, text: str | None) -> bool:
        """Take one frame of the client, None for a binary one; whether it is heard further."""
        session = self._session
        effects = session.receive_bytes() if text is None else session.receive_text(text)
        # What is asked for later waits: answers come in the order of the commands.
        if effects and isinstance(effects[0], Authenticate):
            effects = await self._authenticate(effects[0])
        for effect in effects:
            _count_error(effect)
        self._perform(effects)
        return not any(isinstance(effect, Close) for effect in effects)

    def take_access(self, found: Grants | Refused) -> None:
        """Take what the re-check found: the connection goes on, narrowed or widened, or ends."""
        session = self._session
        if isinstance(found, Refused):
            refusal = session.refuse(found.code, found.text, close_code=found.close_code)
            self._perform(refusal)
            return
        held = session.grants
        if found.scopes != held.scopes or found.expires_at != held.expires_at:
            self._perform(session.regrant(found))
            self._keep_time()

    async def _authenticate(self, effect: Authenticate) -> list[Effect]:
        session, id_ = self._session, effect.id
        changes = self._hub.access_changes
        try:
            grants = await self._check(Credentials(token=effect.token))
        except Refused as refused:
            metrics.auth_failures.labels(refused.code).inc()
            if refused.is_guess:
                await asyncio.sleep(hold_seconds(self._address))
            return session.refuse_credential(refused.code, refused.text, id=id_)
        except (DatabaseError, TimeoutError):
            logger.warning("A credential cannot be checked: the database does not answer")
            return session.postpone_credential(UNAVAILABLE.code, UNAVAILABLE.text, id=id_)
        effects = session.renew(grants, id=id_)
        if session.grants is grants:
            self._hub.rechecks.move(self._member, grants.holder)
            self._perform(effects)
            effects = []
            self._keep_time()
            if self._hub.access_changes != changes:
                # It was accepted by what held before.
                self._hub.rechecks.look_at(self._member)
        return effects

    def _keep_time(self) -> None:
        """Warn of the credential's end, close at it, and come back when either is due."""
        self.stop()
        expires_at = self._session.grants.expires_at
        if expires_at is None:
            return
        left = (expires_at - now()).total_seconds()
        if left <= 0:
            self._perform(self._session.expire())
            return
        until_warning = left - conf().token_expiring_seconds
        if until_warning <= 0 and self._warned_of != expires_at:
            self._warned_of = expires_at
            self._perform(self._session.warn(expires_at))
        due = until_warning if until_warning > 0 else left
        seconds = min(max(due, SHORTEST_TIMER_SECONDS), LONGEST_TIMER_SECONDS)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._keep_time)

    def _perform(self, effects: Iterable[Effect]) -> None:
        """Carry out what the session decided."""
        hub, member = self._hub, self._member
        for effect in effects:
            match effect:
                case Reply(frame):
                    member.delivery.reply(frame)
                case SendSnapshot(id=id_):
                    member.snapshot(replace(hub.snapshot(member), id=id_))
                case Resubscribe():
                    self._resubscribe(effect)
                case Close(code=code, reason=reason, last=last):
                    self.stop()
                    member.close(code, reason, last=last)

    def _resubscribe(self, effect: Resubscribe) -> None:
        hub, member = self._hub, self._member
        hub.resubscribe(member, effect.subscription)
        answer = messages.subscribed(
            timestamp=timestamp(),
            id=effect.id,
            subscription=effect.subscription,
            seq=hub.position[1],
        )
        member.delivery.reply(answer)
        if effect.changed:
            member.snapshot(hub.snapshot(member, names=effect.changed))


def _count_error(effect: Effect) -> None:
    """Count an answer to a command that is an error, or a close in the place of an answer."""
    code = effect.error if isinstance(effect, Reply) else ""
    if isinstance(effect, Close):
        code = effect.reason.replace(" ", "_")
    if code:
        metrics.command_errors.labels(code).inc()
