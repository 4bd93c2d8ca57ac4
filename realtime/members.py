"""One connection as the hub knows it: its subscription, its pace and its delivery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from realtime import messages, metrics
from realtime.auth.proofs import Holder
from realtime.delivery import Delivery, ResyncReason
from realtime.frames import Frame
from realtime.live_state import Snapshot
from realtime.pacing import Pace, newest_of_each_key
from realtime.subscriptions import Subscription
from realtime.timestamps import now


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection comes from, for people who look after the server."""

    user: str
    address: str
    connected_at: datetime


class Member:
    """A connection: events come in by the audience, and leave by the delivery."""

    __slots__ = (
        "_pace",
        "connection_id",
        "delivery",
        "holder",
        "on_access_changed",
        "origin",
        "slot",
        "subscription",
        "user_key",
    )

    def __init__(
        self,
        *,
        connection_id: str,
        user_key: str,
        delivery: Delivery,
        subscription: Subscription,
        on_access_changed: Callable[[Any], None],
        holder: Holder | None = None,
        origin: Origin | None = None,
    ) -> None:
        # Takes what the re-check found: grants, or a refusal.
        self.on_access_changed = on_access_changed
        self.connection_id = connection_id
        self.user_key = user_key
        self.holder = holder
        self.origin = origin or Origin("", "", now())
        self.delivery = delivery
        self.subscription = subscription
        # The turn of the heartbeat at which it is served.
        self.slot = 0
        self._pace = self._make_pace()

    def send(self, frames: Sequence[Frame]) -> None:
        """Send events, at the pace that the client asked for."""
        if self._pace is None:
            self.delivery.push(frames)
        else:
            self._pace.push(frames)

    def replay(self, frames: Sequence[Frame]) -> None:
        """Send what a returning client missed."""
        metrics.count_sent(frames, clients=1)
        if self._pace is not None:
            survivors = newest_of_each_key(frames)
            metrics.events_dropped["max_rate"] += len(frames) - len(survivors)
            frames = survivors
        self.delivery.replay(frames)

    def snapshot(self, snapshot: Snapshot) -> None:
        """Send a snapshot, after what is held."""
        self.flush()
        self.delivery.snapshot(snapshot)

    def subscribe(self, subscription: Subscription) -> None:
        """Change the subscription: what is held goes out first, at the old pace."""
        self.flush()
        self.subscription = subscription
        self._pace = self._make_pace()

    def flush(self) -> None:
        """Send what is held."""
        if self._pace is not None:
            self._pace.flush()

    def resync(self, reason: ResyncReason) -> None:
        """Drop everything that waits: a snapshot takes its place."""
        self.delivery.resync(reason)

    def drop_held(self, *, reason: str) -> list[Frame]:
        """Forget what the rate holds back, and return it."""
        held = [] if self._pace is None else self._pace.drop()
        metrics.count_dropped(held, reason=reason)
        return held

    def beat(
        self, frame: Frame, *, timestamp: Callable[[], str], delayed_seconds: float = 0.0
    ) -> None:
        """Send the heartbeat `frame`; one of its own when events are held below its number."""
        first_held = self._pace.first_held if self._pace is not None else 0
        if first_held:
            frame = messages.heartbeat(
                timestamp=timestamp(), seq=first_held - 1, delayed_seconds=delayed_seconds
            )
        self.delivery.beat(frame)

    def close(self, code: int, reason: str, *, last: Frame | None = None) -> None:
        """Send `last` and close."""
        self.stop()
        self.delivery.close(code, reason, last=last)

    def stop(self) -> None:
        """Hold nothing any more: the connection is gone."""
        self.drop_held(reason="closed")

    def _make_pace(self) -> Pace | None:
        rate = self.subscription.max_rate
        if rate is None:
            return None
        return Pace(
            rate,
            budget_bytes=self.delivery.budget_bytes,
            flush=self.delivery.push,
            clock=time.monotonic,
            call_later=asyncio.get_running_loop().call_later,
        )
