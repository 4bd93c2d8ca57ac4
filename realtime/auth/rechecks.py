"""Looks again at what connected clients may see: at once when told, and at intervals.

One for each hub, in its event loop; the queries run in the threads of `realtime.auth.credentials`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from functools import partial
from hashlib import sha256

from django.db import Error as DatabaseError

from realtime.auth.credentials import in_thread
from realtime.auth.grants import user_key
from realtime.auth.proofs import Holder, ProofKind
from realtime.auth.review import SESSION_ENDED, Access, review
from realtime.conf import conf
from realtime.members import Member

logger = logging.getLogger(__name__)

# A look begins a little before its time is over, and so ends within it.
INTERVAL_SHARE = 0.9
RETRY_SECONDS = 1.0
# More at once would make garbage collections that hold the event loop up.
BATCH_HOLDERS = 1000
# So many connections, and the loop does something else in between.
SLICE_MEMBERS = 200


class Rechecks:
    """Every connection of a user, by what let it in."""

    def __init__(self) -> None:
        self._members: dict[Holder, set[Member]] = {}
        self._wanted: set[Holder] = set()
        self._woken = asyncio.Event()
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look at intervals."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def add(self, member: Member) -> None:
        """Look after `member` from now on; a client without credentials has nothing to lose."""
        if member.holder is not None:
            self._members.setdefault(member.holder, set()).add(member)

    def discard(self, member: Member) -> None:
        """Look after `member` no more."""
        members = self._members.get(member.holder) if member.holder is not None else None
        if members is not None and member.holder is not None:
            members.discard(member)
            if not members:
                del self._members[member.holder]

    def move(self, member: Member, holder: Holder | None) -> None:
        """The connection rests on another credential from now on."""
        self.discard(member)
        member.holder = holder
        self.add(member)

    def look_at(self, member: Member) -> None:
        """Look at one connection now."""
        if member.holder is not None:
            self._want({member.holder})

    def look_at_users(self, user_keys: Collection[str]) -> None:
        """Look at every connection of these users now."""
        wanted = set(user_keys)
        self._want({holder for holder in self._members if user_key(holder.user_pk) in wanted})

    def look_at_everybody(self) -> None:
        """Look at every connection now."""
        self._want(set(self._members))

    def end_session(self, user: str, digest: str) -> None:
        """Close what rests on the session: it is signed out, though its row may still be there."""
        for holder, members in tuple(self._members.items()):
            proof = holder.proof
            if proof is None or proof.kind is not ProofKind.SESSION:
                continue
            if user_key(holder.user_pk) == user and session_digest(proof.key) == digest:
                for member in tuple(members):
                    member.on_access_changed(SESSION_ENDED)

    def _want(self, holders: set[Holder]) -> None:
        self._wanted |= holders
        if holders:
            self._woken.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        next_look = loop.time() + INTERVAL_SHARE * conf().recheck_seconds
        while True:
            if await self._is_told_before(next_look):
                self._woken.clear()
            else:
                next_look = loop.time() + INTERVAL_SHARE * conf().recheck_seconds
                self._wanted |= set(self._members)
            if not await self._look():
                await asyncio.sleep(min(RETRY_SECONDS, conf().recheck_seconds))
                # What could not be looked at still waits.
                self._woken.set()

    async def _is_told_before(self, moment: float) -> bool:
        try:
            async with asyncio.timeout_at(moment):
                await self._woken.wait()
        except TimeoutError:
            return False
        return True

    async def _look(self) -> bool:
        """Look at those who wait; False when that failed, and they wait on."""
        wanted, self._wanted = list(self._wanted & self._members.keys()), set()
        for start in range(0, len(wanted), BATCH_HOLDERS):
            batch = wanted[start : start + BATCH_HOLDERS]
            try:
                found = await in_thread(partial(review, batch))
            except Exception as error:
                self._wanted.update(wanted[start:])
                self._report(error)
                return False
            await self._hand_out(found)
        if wanted:
            self._is_failing = False
        return True

    async def _hand_out(self, found: Mapping[Holder, Access]) -> None:
        count = 0
        for holder, access in found.items():
            for member in tuple(self._members.get(holder, ())):
                member.on_access_changed(access)
                count += 1
                if count % SLICE_MEMBERS == 0:
                    await asyncio.sleep(0)

    def _report(self, error: Exception) -> None:
        if not self._is_failing:
            self._is_failing = True
            # A database that is gone needs no traceback; anything else does.
            unexpected = None if isinstance(error, DatabaseError) else error
            logger.error(
                "What clients may see cannot be checked, trying again: %s: %s",
                type(error).__name__,
                error,
                exc_info=unexpected,
            )


def session_digest(key: str) -> str:
    """What names a session to other processes: its key would open it."""
    return sha256(f"realtime:{key}".encode()).hexdigest()
