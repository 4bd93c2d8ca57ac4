"""One hub for each server process: follows the log by a cursor and feeds every connection.

Everything here runs in the event loop, except `deliver` and `reload`, which the relay's thread
calls and which wait until the loop has done the work.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from realtime import log, messages, relay
from realtime.audiences import Audience, Member
from realtime.conf import conf
from realtime.feeds import feeds
from realtime.frames import Frame
from realtime.heartbeats import Heartbeats
from realtime.layer import LayerReceiver, layer_is_shared
from realtime.live_state import LiveState, Snapshot
from realtime.log import HistoryExpired, LoggedEvent, Position
from realtime.messages import ResumeOutcome, ResumeReason
from realtime.recent import EncodedEvent, RecentEvents, frames_for
from realtime.resuming import Missed, Resume, Start, plan_start
from realtime.subscriptions import Subscription
from realtime.timestamps import isoformat, now

logger = logging.getLogger(__name__)

APPLY_SECONDS = 30.0
CATCH_UP_SECONDS = 5.0
PAGE_EVENTS = 1000
SHORTEST_RECONNECT_SECONDS = 0.5
LONGEST_RECONNECT_SECONDS = 5.0
# So many batches in a row that the layer should have brought, and it is deaf.
UNHEARD_BATCHES = 3


class Hub:
    """The stream as this process has it, and its connections."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_draining = False
        self.heals = 0
        self._identity = ""
        self._cursor = 0
        self._loaded = asyncio.Event()
        self._moved = asyncio.Event()
        self._state = LiveState()
        self._recent = RecentEvents(conf().ring_events)
        self._audiences: dict[Subscription, Audience] = {}
        self._members: set[Member] = set()
        self._users: Counter[str] = Counter()
        self._heartbeats = Heartbeats(self._beat)
        self._layer = LayerReceiver(self._hear) if layer_is_shared() else None
        self._relay: relay.Relay | None = None
        self._unheard_batches = 0

    # What connections use, in the event loop.

    @property
    def connection_count(self) -> int:
        """How many connections this process serves."""
        return len(self._members)

    def connections_of(self, user_key: str) -> int:
        """How many connections of one user this process serves."""
        return self._users[user_key]

    @property
    def position(self) -> tuple[str, int]:
        """The stream's identity and the number up to which everything is here."""
        return self._identity, self._cursor

    def start(self) -> None:
        """Follow the log from now on."""
        self._relay = relay.attach(self)
        self._heartbeats.start()
        if self._layer is not None:
            self._layer.start()

    def stop(self) -> None:
        """Follow the log no more."""
        relay.detach(self)
        self._heartbeats.stop()
        if self._layer is not None:
            self._layer.stop()

    async def ready(self, *, timeout_seconds: float) -> bool:
        """Wait until the state is loaded; False when it is not in time."""
        try:
            await asyncio.wait_for(self._loaded.wait(), timeout_seconds)
        except TimeoutError:
            return False
        return True

    async def find_missed(self, resume: Resume, subscription: Subscription) -> Missed:
        """What a returning client missed, from memory, and from the log what is older."""
        if resume.stream != self._identity:
            return Missed(reason=ResumeReason.UNKNOWN_STREAM)
        if resume.subscription != subscription.digest():
            return Missed(reason=ResumeReason.SUBSCRIPTION_CHANGED)
        if resume.since > self._cursor and not await self._catch_up(resume.since):
            return Missed(reason=ResumeReason.AHEAD_OF_STREAM)
        if self._cursor - resume.since > conf().replay_events:
            return Missed(reason=ResumeReason.HISTORY_EXPIRED)
        try:
            return Missed(await self._read_older(resume.since))
        except HistoryExpired:
            return Missed(reason=ResumeReason.HISTORY_EXPIRED)

    def join(
        self,
        member: Member,
        *,
        wants_snapshot: bool,
        resume: Resume | None,
        missed: Missed,
        greet: Callable[[Start], Frame],
        notes: Sequence[Frame] = (),
    ) -> Start:
        """Start a connection and register it; nothing is awaited between, so nothing is missed.

        The client gets the greeting, `notes`, and then what the start's outcome says.
        """
        if resume is not None and missed.reason is None:
            after = missed.events[-1].seq if missed.events else resume.since
            missed = replace(missed, events=(*missed.events, *self._recent.after(after)))
        start = plan_start(
            stream=self._identity,
            cursor=self._cursor,
            wants_snapshot=wants_snapshot,
            resume=resume,
            missed=missed,
        )
        audience = self._enter(member)
        for frame in (greet(start), *notes):
            member.delivery.reply(frame)
        if start.outcome is ResumeOutcome.REPLAY:
            member.delivery.replay(frames_for(member.subscription, start.events))
        elif start.outcome is ResumeOutcome.SNAPSHOT:
            member.delivery.snapshot(self._snapshot(audience))
        self._members.add(member)
        self._users[member.user_key] += 1
        self._heartbeats.add(member)
        return start

    def leave(self, member: Member) -> None:
        """Forget a connection that is gone; harmless when it never joined."""
        if member not in self._members:
            return
        self._members.remove(member)
        self._users[member.user_key] -= 1
        if not self._users[member.user_key]:
            del self._users[member.user_key]
        self._heartbeats.discard(member)
        self._exit(member)

    def resubscribe(self, member: Member, subscription: Subscription) -> None:
        """Give `member` what `subscription` matches from the next event on."""
        self._exit(member)
        member.subscription = subscription
        self._enter(member)

    def snapshot(
        self, member: Member, *, names: Collection[str] | None = None, dropped: Mapping[str, int]
    ) -> Snapshot:
        """What `member` is subscribed to as of now; only the feeds `names` when given."""
        audience = self._audiences.get(member.subscription)
        if names is not None or audience is None:
            made = self._state.snapshot(
                member.subscription, stream=self._identity, seq=self._cursor, names=names
            )
        else:
            made = self._snapshot(audience)
        return replace(made, dropped=dropped) if dropped else made

    async def drain(self, *, deadline_seconds: float) -> None:
        """Tell every connection to come back later, close it with 1012, and wait for them."""
        self.is_draining = True
        for member in tuple(self._members):
            seconds = random.uniform(SHORTEST_RECONNECT_SECONDS, LONGEST_RECONNECT_SECONDS)
            last = messages.server_closing(timestamp=timestamp(), reconnect_after=seconds)
            member.delivery.close(1012, "server_closing", last=last)
        deadline = self.loop.time() + deadline_seconds
        while self._members and self.loop.time() < deadline:
            await asyncio.sleep(0.02)

    # What the relay's thread calls.

    def keyless_feeds(self) -> Sequence[str]:
        """The feeds without keys."""
        return [name for name, feed in feeds().items() if feed.key_field is None]

    def deliver(self, identity: str, events: Sequence[LoggedEvent], *, polled: bool) -> None:
        """Take events of the log in order; returns when they are applied."""
        self._run_in_loop(lambda: self._take(identity, events, polled=polled))

    def reload(self, position: Position, events: Sequence[LoggedEvent]) -> None:
        """Start afresh from the state `events` as of `position`, and resynchronise everybody."""
        self._run_in_loop(lambda: self._replace_state(position, events))

    def _run_in_loop(self, job: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            try:
                job()
            except Exception:
                # What was applied by halves is replaced by the state as the log has it.
                logger.exception("The hub cannot apply a batch and starts afresh")
                self._identity = ""
            finally:
                done.set()

        if _runs_in(self.loop):
            run()
            return
        try:
            self.loop.call_soon_threadsafe(run)
        except RuntimeError:
            # The loop is closed: the server is stopping.
            relay.detach(self)
            return
        if not done.wait(APPLY_SECONDS):
            logger.error("The event loop did not run for %s seconds", APPLY_SECONDS)

    # Inside.

    def _take(self, identity: str, events: Sequence[LoggedEvent], *, polled: bool) -> None:
        if identity != self._identity:
            relay.wake()
            return
        if polled and self._layer is not None:
            self._unheard_batches += 1
            if self._unheard_batches >= UNHEARD_BATCHES:
                self._layer.renew()
        self._apply(events)

    def _hear(self, identity: str, last: int, events: Sequence[LoggedEvent]) -> None:
        """Take a batch that another process sent through the layer."""
        self._unheard_batches = 0
        if identity != self._identity or (not events and last > self._cursor):
            relay.wake()
        else:
            self._apply(events)

    def _apply(self, events: Sequence[LoggedEvent]) -> None:
        """Give everybody the events that are new; a hole before or in them is read from the log."""
        new = [event for event in events if event.seq > self._cursor]
        if not new:
            return
        if new[0].seq != self._cursor + 1 or new[-1].seq != self._cursor + len(new):
            self.heals += 1
            relay.wake()
            return
        encoded = [EncodedEvent(event) for event in new]
        for event, ready in zip(new, encoded, strict=True):
            self._state.apply(event, ready.values)
        self._recent.extend(encoded)
        self._cursor = new[-1].seq
        for audience in tuple(self._audiences.values()):
            audience.send(encoded)
        self._announce_move()

    def _replace_state(self, position: Position, events: Sequence[LoggedEvent]) -> None:
        self._recent.clear()
        self._state.clear()
        for event in events:
            self._state.apply(event, EncodedEvent(event).values)
        self._identity, self._cursor = position.identity, position.head
        self._loaded.set()
        for audience in self._audiences.values():
            audience.forget_snapshot()
        for member in tuple(self._members):
            member.delivery.resync()
        self._announce_move()

    def _announce_move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def _catch_up(self, since: int) -> bool:
        """Wait until this process has come to `since`, which another one has sent already."""
        assert self._relay is not None
        head = (await asyncio.wrap_future(self._relay.call(log.position))).head
        deadline = self.loop.time() + CATCH_UP_SECONDS
        while self._cursor < since <= head and self.loop.time() < deadline:
            try:
                await asyncio.wait_for(self._moved.wait(), deadline - self.loop.time())
            except TimeoutError:
                break
        return since <= self._cursor

    async def _read_older(self, since: int) -> list[EncodedEvent]:
        """The events after `since` that are older than what memory holds."""
        found: list[EncodedEvent] = []
        assert self._relay is not None
        while True:
            after = since + len(found)
            oldest = self._recent.oldest
            if after + 1 >= (self._cursor + 1 if oldest is None else oldest):
                return found
            page = await asyncio.wrap_future(
                self._relay.call(lambda after=after: log.read(after, PAGE_EVENTS))  # type: ignore[misc]
            )
            if not page:
                raise HistoryExpired(f"the log ends before {after + 1}")
            found.extend(EncodedEvent(event) for event in page if event.seq <= self._cursor)

    def _enter(self, member: Member) -> Audience:
        audience = self._audiences.get(member.subscription)
        if audience is None:
            audience = self._audiences[member.subscription] = Audience(member.subscription)
        audience.members.add(member)
        return audience

    def _exit(self, member: Member) -> None:
        audience = self._audiences.get(member.subscription)
        if audience is not None:
            audience.members.discard(member)
            if not audience.members:
                del self._audiences[member.subscription]

    def _snapshot(self, audience: Audience) -> Snapshot:
        return audience.snapshot(self._state, stream=self._identity, seq=self._cursor)

    def _beat(self, members: Collection[Member]) -> None:
        delayed = self._relay.delayed_seconds if self._relay is not None else 0.0
        frame = messages.heartbeat(timestamp=timestamp(), seq=self._cursor, delayed_seconds=delayed)
        for member in members:
            if member.delivery.blocked_seconds() > conf().too_slow_seconds:
                last = messages.error(
                    timestamp=timestamp(),
                    code="too_slow",
                    text="You read too slowly, even for a snapshot. Come back with backoff.",
                    fatal=True,
                )
                member.delivery.close(1013, "too_slow", last=last)
            else:
                member.delivery.beat(frame)


def _runs_in(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def timestamp() -> str:
    """The wall clock, as the wire writes it."""
    return isoformat(now())


_hub: Hub | None = None


def current() -> Hub | None:
    """This process's hub, if a connection has started one."""
    return _hub


def running_hub() -> Hub:
    """This process's hub; the first connection starts it (Daphne has no lifespan)."""
    global _hub
    if _hub is None or _hub.loop is not asyncio.get_running_loop():
        if _hub is not None:
            relay.detach(_hub)
        _hub = Hub()
        _hub.start()
    return _hub
