"""Connections with equal subscriptions: matched, encoded and snapshotted once for all of them."""

from __future__ import annotations

from collections.abc import Iterable

from realtime.delivery import Delivery
from realtime.live_state import LiveState, Snapshot
from realtime.recent import EncodedEvent, frames_for
from realtime.subscriptions import Subscription


class Member:
    """One connection as the hub knows it."""

    __slots__ = ("connection_id", "delivery", "slot", "subscription", "user_key")

    def __init__(
        self,
        *,
        connection_id: str,
        user_key: str,
        delivery: Delivery,
        subscription: Subscription,
    ) -> None:
        self.connection_id = connection_id
        self.user_key = user_key
        self.delivery = delivery
        self.subscription = subscription
        # The turn of the heartbeat at which it is served.
        self.slot = 0


class Audience:
    """The members that share one subscription."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.members: set[Member] = set()
        self._snapshot: Snapshot | None = None

    def send(self, events: Iterable[EncodedEvent]) -> None:
        """Give every member what the subscription matches, in one write each."""
        frames = frames_for(self.subscription, events)
        if frames:
            # A full outlet may close a connection, which then leaves the set.
            for member in tuple(self.members):
                member.delivery.push(frames)

    def snapshot(self, state: LiveState, *, stream: str, seq: int) -> Snapshot:
        """The state as of `seq`, made once for each `seq`."""
        made = self._snapshot
        if made is None or (made.stream, made.seq) != (stream, seq):
            made = state.snapshot(self.subscription, stream=stream, seq=seq)
            self._snapshot = made
        return made

    def forget_snapshot(self) -> None:
        """Free what is out of date."""
        self._snapshot = None
