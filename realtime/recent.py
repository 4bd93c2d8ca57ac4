"""Recent events as they are sent, in memory: what a returning client missed is served from here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from realtime import messages
from realtime.feeds import feeds
from realtime.frames import Frame
from realtime.log import LoggedEvent
from realtime.subscriptions import Relation, Subscription


class EncodedEvent:
    """An event with its filter values and its frames, each encoded once for all clients."""

    __slots__ = ("_key", "_left", "_logged", "feed", "frame", "seq", "values", "was")

    def __init__(self, logged: LoggedEvent) -> None:
        feed = feeds().get(logged.feed)
        self.seq = logged.seq
        self.feed = logged.feed
        self.values: Mapping[str, Any] = {}
        self.was: Mapping[str, Any] | None = None
        # As the data has it: a client that compares strictly knows 7, not "7".
        self._key: Any = logged.key
        if feed is not None and feed.filter_fields:
            data = logged.parsed_data()
            self.values = {field: data.get(field) for field in feed.filter_fields}
            self.was = logged.parsed_was()
            self._key = data.get(feed.key_field or "", logged.key)
        is_tail = feed is not None and feed.key_field is None
        self.frame = messages.event(logged, tail_feed=logged.feed if is_tail else None)
        self._left: Frame | None = None
        # Kept for a `left` message, which few events need: without the data.
        self._logged = logged._replace(data="", was=None)

    def frame_for(self, subscription: Subscription) -> Frame | None:
        """What a client with `subscription` gets of this event; None for nothing."""
        relation = subscription.relation(self.feed, self.values, self.was)
        if relation is Relation.MATCHES:
            return self.frame
        return self.left_frame() if relation is Relation.LEFT else None

    def left_frame(self) -> Frame:
        """The message for those whose filters the object no longer matches."""
        if self._left is None:
            key_field = feeds()[self.feed].key_field or "key"
            self._left = messages.left(self._logged, key_field=key_field, key=self._key)
        return self._left


def frames_for(subscription: Subscription, events: Iterable[EncodedEvent]) -> list[Frame]:
    """What a client with `subscription` gets of `events`."""
    frames = (event.frame_for(subscription) for event in events)
    return [frame for frame in frames if frame is not None]


class RecentEvents:
    """The last events without a hole, at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._events: deque[EncodedEvent] = deque(maxlen=limit)

    def clear(self) -> None:
        """Forget everything."""
        self._events.clear()

    def extend(self, events: Iterable[EncodedEvent]) -> None:
        """Take the next events of the stream."""
        self._events.extend(events)

    @property
    def oldest(self) -> int | None:
        """The number of the oldest event held; None when there is none."""
        return self._events[0].seq if self._events else None

    def after(self, seq: int) -> list[EncodedEvent]:
        """The events held whose number is above `seq`."""
        if not self._events:
            return []
        skipped = max(0, seq - self._events[0].seq + 1)
        return list(islice(self._events, skipped, None))
