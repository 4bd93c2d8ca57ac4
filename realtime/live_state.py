"""The state of every feed as of the hub's cursor, from which snapshots are made."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from realtime.feeds import feeds
from realtime.frames import Frame
from realtime.log import LoggedEvent
from realtime.log.values import TAIL_EVENTS
from realtime.messages import feed_body, snapshot_part
from realtime.subscriptions import FeedSubscription, Subscription

LARGEST_PART_BYTES = 256 * 1024
# What the message around a part's objects may need.
PART_ENVELOPE_BYTES = 1024
# Roughly, what Python needs for a snapshot and for each object that it refers to.
SNAPSHOT_BYTES = 512
REFERENCE_BYTES = 8


class StateObject(NamedTuple):
    """One live object: its filter values and its data as JSON."""

    values: Mapping[str, Any]
    data: bytes


@dataclass(frozen=True)
class Snapshot:
    """The state of some feeds as of `seq`, in parts; encoded when it is sent."""

    stream: str
    seq: int
    parts: tuple[Mapping[str, list[bytes]], ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    # The command that asked for it, if any.
    id: Any = None

    @property
    def cost_bytes(self) -> int:
        """What it holds while it waits, beyond the objects, which the hub has anyway."""
        objects = sum(len(items) for part in self.parts for items in part.values())
        return SNAPSHOT_BYTES + REFERENCE_BYTES * objects

    def frame(self, index: int, *, timestamp: str) -> Frame:
        """The message of part `index`, counted from 0."""
        return snapshot_part(
            feed_body(self.parts[index]),
            timestamp=timestamp,
            stream=self.stream,
            seq=self.seq,
            part=index + 1,
            parts=len(self.parts),
            dropped=self.dropped,
            id=self.id,
        )


class LiveState:
    """The newest event of every live key, and the last 50 of each feed without keys."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, StateObject]] = {}
        self._tails: dict[str, deque[StateObject]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._objects.clear()
        self._tails.clear()

    def apply(self, event: LoggedEvent, values: Mapping[str, Any]) -> None:
        """Take one event; `values` are its object's filter values."""
        state = StateObject(values, event.data.encode())
        if not event.key:
            self._tails.setdefault(event.feed, deque(maxlen=TAIL_EVENTS)).append(state)
        elif event.live:
            self._objects.setdefault(event.feed, {})[event.key] = state
        else:
            self._objects.setdefault(event.feed, {}).pop(event.key, None)

    def snapshot(
        self,
        subscription: Subscription,
        *,
        stream: str,
        seq: int,
        names: Collection[str] | None = None,
    ) -> Snapshot:
        """What `subscription` shows now; only the feeds called `names` when given."""
        chosen = [feed for feed in subscription.feeds if names is None or feed.name in names]
        matching = {feed.name: self._matching(feed) for feed in chosen}
        return Snapshot(stream=stream, seq=seq, parts=tuple(_split(matching)))

    def _matching(self, wanted: FeedSubscription) -> list[bytes]:
        states: Collection[StateObject]
        if feeds()[wanted.name].key_field is None:
            states = self._tails.get(wanted.name, ())
        else:
            states = self._objects.get(wanted.name, {}).values()
        if wanted.is_unlimited:
            return [state.data for state in states]
        return [state.data for state in states if wanted.matches(state.values)]


def _split(objects: Mapping[str, list[bytes]]) -> list[dict[str, list[bytes]]]:
    """Parts of at most 256 KiB; each feed is named in one of them at least, an empty one too."""
    parts: list[dict[str, list[bytes]]] = [{}]
    room = LARGEST_PART_BYTES - PART_ENVELOPE_BYTES
    for name, items in objects.items():
        parts[-1].setdefault(name, [])
        room -= len(name) + 6
        for data in items:
            if len(data) + 1 > room and any(parts[-1].values()):
                parts.append({name: []})
                room = LARGEST_PART_BYTES - PART_ENVELOPE_BYTES - len(name) - 6
            parts[-1][name].append(data)
            room -= len(data) + 1
    return parts
