"""One hub for each server process: follows the log by a cursor and feeds every connection.

Everything here runs in the event loop, except `deliver` and `reload`, which the relay's thread
calls and which return when the loop has done the work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from realtime import failpoints, messages, metrics, relay
from realtime.audiences import Audiences
from realtime.auth.rechecks import Rechecks
from realtime.bridge import LoopBridge, LoopClosed
from realtime.conf import conf
from realtime.delivery import ResyncReason
from realtime.feeds import feeds
from realtime.frames import Frame, count_tails
from realtime.heartbeats import Heartbeats
from realtime.layer import BATCH_MESSAGE, LayerReceiver, decode_batch, layer_is_shared
from realtime.live_state import LiveState, Snapshot
from realtime.log import LoggedEvent, Position
from realtime.loop_lag import LoopLag
from realtime.members import Member
from realtime.messages import ResumeOutcome
from realtime.missed import MissedEvents
from realtime.presence.reporter import Reporter
from realtime.recent import EncodedEvent, RecentEvents, frames_for
from realtime.resuming import Missed, Resume, Start, plan_start
from realtime.subscriptions import Subscription
from realtime.timestamps import timestamp

logger = logging.getLogger(__name__)

SHORTEST_RECONNECT_SECONDS = 0.5
LONGEST_RECONNECT_SECONDS = 5.0
# So many batches in a row that the layer should have brought, and it is deaf.
UNHEARD_BATCHES = 3
# The layer's message that some users' access has changed.
ACCESS_MESSAGE = "realtime.access"
# The layer's message that somebody asks who is connected.
PRESENCE_MESSAGE = "realtime.presence"


@dataclass(frozen=True, slots=True)
class Load:
    """What a hub's connections amount to."""

    connections: int = 0
    audiences: int = 0
    # Of connections whose socket takes nothing, and what waits for them.
    blocked: int = 0
    waiting_bytes: int = 0


class Hub:
    """The stream as this process has it, and its connections."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_draining = False
        self.heals = 0
        # Counts what was told: a connection that was being let in meanwhile looks again.
        self.access_changes = 0
        self._identity = ""
        self._cursor = 0
        self._loaded = asyncio.Event()
        self._state = LiveState()
        self._recent = RecentEvents(conf().ring_events)
        self._audiences = Audiences()
        self._members: set[Member] = set()
        self._users: Counter[str] = Counter()
        self._unheard_batches = 0
        self._bridge = LoopBridge(self.loop, on_error=self._start_afresh)
        self._heartbeats = Heartbeats(self._beat)
        self.rechecks = Rechecks()
        self.loop_lag = LoopLag()
        self._began = time.monotonic()
        # Without a relay, in tests, events come by hand and no other process is heard.
        hears_others = layer_is_shared() and conf().relay
        self._layer = LayerReceiver(self._receive) if hears_others else None
        self._relay = relay.attach(self)
        self._reporter = Reporter(
            lambda: self._members,
            lambda job: asyncio.wrap_future(self._relay.call(job, at_once=False)),
        )
        self._missed = MissedEvents(
            relay=self._relay, recent=self._recent, position=lambda: self.position
        )

    def start(self) -> None:
        """Begin to beat, and to hear other processes."""
        self._heartbeats.start()
        self.rechecks.start()
        if conf().relay:
            self._reporter.start()
        self.loop_lag.start()
        if self._layer is not None:
            self._layer.start()

    async def stop(self) -> None:
        """Follow the log no more."""
        relay.detach(self)
        await self._heartbeats.stop()
        await self.rechecks.stop()
        await self._reporter.stop()
        await self.loop_lag.stop()
        if self._layer is not None:
            await self._layer.stop()

    # What connections use.

    @property
    def connection_count(self) -> int:
        """How many connections this process serves."""
        return len(self._members)

    def load(self) -> Load:
        """What the connections amount to now; in any thread."""
        # A copy, in one step: the loop may let somebody in meanwhile.
        deliveries = [member.delivery for member in tuple(self._members)]
        return Load(
            connections=len(deliveries),
            audiences=len(self._audiences),
            blocked=sum(delivery.is_blocked for delivery in deliveries),
            waiting_bytes=sum(delivery.waiting_bytes for delivery in deliveries),
        )

    def connections_of(self, user_key: str) -> int:
        """How many connections of one user this process serves."""
        return self._users[user_key]

    @property
    def position(self) -> tuple[str, int]:
        """The stream's identity and the number up to which everything is here."""
        return self._identity, self._cursor

    @property
    def is_loaded(self) -> bool:
        """Whether the state is here: before, nobody is let in."""
        return self._loaded.is_set()

    @property
    def age_seconds(self) -> float:
        """For how long this hub has been there."""
        return time.monotonic() - self._began

    @property
    def lag_events(self) -> int:
        """How many events the relay knows of that have not come here."""
        return max(0, self._relay.vitals.head - self._cursor)

    async def ready(self, *, timeout_seconds: float) -> bool:
        """Wait until the state is loaded; False when it is not in time."""
        try:
            # Not `wait_for`: Python 3.11's may swallow a cancellation.
            async with asyncio.timeout(timeout_seconds):
                await self._loaded.wait()
        except TimeoutError:
            return False
        return True

    async def find_missed(self, resume: Resume, subscription: Subscription) -> Missed:
        """What a returning client missed and memory no longer holds; `join` adds the rest."""
        return await self._missed.find(resume, subscription)

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
        for frame in (greet(start), *notes):
            member.delivery.reply(frame)
        self._audiences.enter(member)
        self._members.add(member)
        if start.outcome is ResumeOutcome.REPLAY:
            member.replay(frames_for(member.subscription, start.events))
        elif start.outcome is ResumeOutcome.SNAPSHOT:
            member.snapshot(self.snapshot(member))
        if resume is not None:
            metrics.resumes.labels(start.outcome, start.reason or "").inc()
        metrics.connections_opened.inc()
        self._users[member.user_key] += 1
        self._heartbeats.add(member)
        self.rechecks.add(member)
        return start

    def leave(self, member: Member) -> None:
        """Forget a connection that is gone; harmless when it never joined."""
        member.stop()
        member.delivery.stop()
        if member not in self._members:
            return
        self._members.remove(member)
        self._users[member.user_key] -= 1
        if not self._users[member.user_key]:
            del self._users[member.user_key]
        self._heartbeats.discard(member)
        self.rechecks.discard(member)
        self._audiences.exit(member)

    def resubscribe(self, member: Member, subscription: Subscription) -> None:
        """Give `member` what `subscription` matches from the next event on."""
        self._audiences.exit(member)
        member.subscribe(subscription)
        self._audiences.enter(member)

    def snapshot(
        self,
        member: Member,
        *,
        names: Collection[str] | None = None,
    ) -> Snapshot:
        """What `member` is subscribed to as of now; only the feeds `names` when given."""
        stream, seq = self.position
        if names is not None:
            return self._state.snapshot(member.subscription, stream=stream, seq=seq, names=names)
        return self._audiences.of(member).snapshot(self._state, stream=stream, seq=seq)

    def replace_backlog(self, member: Member, dropped: Mapping[str, int]) -> Snapshot:
        """The snapshot in the place of what waited, and of what the client's rate holds back.

        `dropped` counts by feed the messages without a key that waited.
        """
        lost = Counter(dropped) + count_tails(member.drop_held(reason="resync"))
        made = self.snapshot(member)
        return replace(made, dropped=lost) if lost else made

    async def drain(self, *, deadline_seconds: float) -> None:
        """Tell every connection to come back later, close it with 1012, and wait for them."""
        self.is_draining = True
        for member in tuple(self._members):
            seconds = random.uniform(SHORTEST_RECONNECT_SECONDS, LONGEST_RECONNECT_SECONDS)
            last = messages.server_closing(timestamp=timestamp(), reconnect_after=seconds)
            member.close(1012, "server_closing", last=last)
        deadline = self.loop.time() + deadline_seconds
        while self._members and self.loop.time() < deadline:
            await asyncio.sleep(0.02)

    def access_changed(self, message: Mapping[str, Any]) -> None:
        """Let the connections that `message` names be looked at again; in any thread."""
        # The loop may be closed: its server is stopping.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._look_again, message)

    def look_at_presence(self) -> None:
        """Somebody asks who is connected, or for the end of a connection; in any thread."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._reporter.look_now)

    # What brings events: the relay's thread, and the layer.

    def keyless_feeds(self) -> Sequence[str]:
        """The feeds without keys."""
        return [name for name, feed in feeds().items() if feed.key_field is None]

    def deliver(self, identity: str, events: Sequence[LoggedEvent], *, polled: bool) -> None:
        """Take events of the log in order, in any thread; returns when they are applied."""
        self._in_loop(lambda: self._take(identity, events, polled=polled))

    def reload(self, position: Position, events: Sequence[LoggedEvent]) -> None:
        """Start from the state `events` as of `position`, and resynchronise everybody."""
        self._in_loop(lambda: self._replace_state(position, events))

    def hear(self, identity: str, last: int, events: Sequence[LoggedEvent]) -> None:
        """Take a batch that another process sent through the layer; it may be anything but new."""
        self._unheard_batches = 0
        if identity != self._identity or (not events and last > self._cursor):
            relay.wake()
            return
        try:
            self._apply(events)
        except Exception as error:
            self._start_afresh(error)

    def _receive(self, message: dict[str, Any]) -> None:
        if message["type"] == BATCH_MESSAGE:
            self.hear(*decode_batch(message))
        elif message["type"] == ACCESS_MESSAGE:
            self._look_again(message)
        elif message["type"] == PRESENCE_MESSAGE:
            self._reporter.look_now()

    def _look_again(self, message: Mapping[str, Any]) -> None:
        self.access_changes += 1
        if message.get("everybody"):
            self.rechecks.look_at_everybody()
        else:
            self.rechecks.look_at_users(message["users"])
        if "session" in message:
            self.rechecks.end_session(*message["session"])

    def _in_loop(self, job: Callable[[], None]) -> None:
        try:
            self._bridge.run(job)
        except LoopClosed:
            relay.detach(self)

    def _take(self, identity: str, events: Sequence[LoggedEvent], *, polled: bool) -> None:
        if identity != self._identity:
            relay.wake()
            return
        if polled and self._layer is not None:
            self._unheard_batches += 1
            if self._unheard_batches >= UNHEARD_BATCHES:
                self._layer.renew()
        self._apply(events)

    def _apply(self, events: Sequence[LoggedEvent]) -> None:
        """Give everybody the events that are new; a hole before or in them is read from the log."""
        new = [event for event in events if event.seq > self._cursor]
        if not new:
            return
        if new[0].seq != self._cursor + 1 or new[-1].seq != self._cursor + len(new):
            self.heals += 1
            metrics.heals.inc()
            relay.wake()
            return
        encoded = [EncodedEvent(event) for event in new]
        for event, ready in zip(new, encoded, strict=True):
            self._state.apply(event, ready.values)
        self._recent.extend(encoded)
        self._cursor = new[-1].seq
        for audience in self._audiences:
            audience.send(encoded)
            failpoints.reach("between_audiences")
        metrics.commit_to_send.observe((event.timestamp for event in new), now=time.time())
        self._missed.announce_move()

    def _replace_state(self, position: Position, events: Sequence[LoggedEvent]) -> None:
        if position.identity == self._identity and position.head < self._cursor:
            # Read before the layer brought what came after it: no client may go back.
            relay.wake()
            return
        reason = self._reload_reason(position.identity)
        self._recent.clear()
        self._state.clear()
        for event in events:
            self._state.apply(event, EncodedEvent(event).values)
        self._identity, self._cursor = position.identity, position.head
        self._audiences.forget_snapshots()
        self._loaded.set()
        for member in tuple(self._members):
            member.resync(reason)
        self._missed.announce_move()

    def _reload_reason(self, identity: str) -> ResyncReason:
        if not self._identity:
            return ResyncReason.HUB_ERROR
        is_same = identity == self._identity
        return ResyncReason.FELL_BEHIND if is_same else ResyncReason.NEW_STREAM

    def _start_afresh(self, error: Exception) -> None:
        # What was applied by halves is replaced by the state as the log has it.
        logger.error("The hub cannot apply a batch and starts afresh", exc_info=error)
        self._identity = ""
        relay.wake()

    def _beat(self, members: Collection[Member]) -> None:
        delayed = self._relay.vitals.delayed_seconds
        frame = messages.heartbeat(timestamp=timestamp(), seq=self._cursor, delayed_seconds=delayed)
        for member in members:
            if member.delivery.is_hopeless(too_slow_seconds=conf().too_slow_seconds):
                text = "You read too slowly, even for a snapshot. Come back with backoff."
                last = messages.error(timestamp=timestamp(), code="too_slow", text=text, fatal=True)
                member.close(1013, "too_slow", last=last)
            else:
                member.beat(frame, timestamp=timestamp, delayed_seconds=delayed)


_hub: Hub | None = None


def current() -> Hub | None:
    """This process's hub, if a connection has started one."""
    return _hub


async def end() -> None:
    """End this process's hub: the server stops, or a test does."""
    global _hub
    if _hub is not None:
        stopping, _hub = _hub, None
        await stopping.stop()


def _forget() -> None:
    # A forked child has neither the parent's loop nor its connections.
    global _hub
    _hub = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def running_hub() -> Hub:
    """This process's hub; the first connection starts it (Daphne has no lifespan)."""
    global _hub
    if _hub is None or _hub.loop is not asyncio.get_running_loop():
        if _hub is not None:
            relay.detach(_hub)
        _hub = Hub()
        _hub.start()
    return _hub
