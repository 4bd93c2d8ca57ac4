"""Connections with equal subscriptions: matched, encoded and snapshotted once for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from realtime import metrics
from realtime.live_state import LiveState, Snapshot
from realtime.members import Member
from realtime.recent import EncodedEvent, frames_for
from realtime.subscriptions import Subscription


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
            # A failing outlet may close a connection, which then leaves the set.
            for member in tuple(self.members):
                member.send(frames)
            metrics.count_sent(frames, clients=len(self.members))

    def snapshot(self, state: LiveState, *, stream: str, seq: int) -> Snapshot:
        """The state as of `seq`, made once for each `seq`."""
        made = self._snapshot
        if made is None or (made.stream, made.seq) != (stream, seq):
            made = state.snapshot(self.subscription, stream=stream, seq=seq)
            self._snapshot = made
        return made

    def forget_snapshot(self) -> None:
        """Make the next snapshot anew, even for the same `seq`."""
        self._snapshot = None


class Audiences:
    """Every audience, by its subscription."""

    def __init__(self) -> None:
        self._by_subscription: dict[Subscription, Audience] = {}

    def __len__(self) -> int:
        return len(self._by_subscription)

    def __iter__(self) -> Iterator[Audience]:
        return iter(tuple(self._by_subscription.values()))

    def enter(self, member: Member) -> None:
        """Put `member` where its subscription belongs."""
        audience = self._by_subscription.get(member.subscription)
        if audience is None:
            audience = self._by_subscription[member.subscription] = Audience(member.subscription)
        audience.members.add(member)

    def exit(self, member: Member) -> None:
        """Take `member` out; an empty audience goes."""
        audience = self._by_subscription.get(member.subscription)
        if audience is not None:
            audience.members.discard(member)
            if not audience.members:
                del self._by_subscription[member.subscription]

    def forget_snapshots(self) -> None:
        """Make every snapshot anew: the state was replaced."""
        for audience in self:
            audience.forget_snapshot()

    def of(self, member: Member) -> Audience:
        """The audience of `member`; one of its own when it is in none."""
        return self._by_subscription.get(member.subscription) or Audience(member.subscription)
