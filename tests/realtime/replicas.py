"""What a client makes of the stream: a reducer that follows the words of the protocol alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

TAIL_EVENTS = 50
ACTIONS_THAT_PUT = frozenset({"created", "updated"})
ACTIONS_THAT_DROP = frozenset({"closed", "deleted", "left"})

State = dict[str, Any]


class Replica:
    """One client's copy of the state; asserts on the way what the protocol promises of order.

    It outlives its connection, as a client does that comes back and resumes.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.tails: dict[str, deque[Any]] = {}
        self.stream = ""
        self.seq = 0
        self.subscription = ""
        self.feeds: list[str] = []
        self.filters: dict[str, dict[str, list[str]]] = {}
        self.keys: dict[str, str | None] = {}
        self.max_rate: float | None = None
        self.is_unlimited = True
        # Whether the state is that of `seq`, so that the client may resume from there.
        self.is_complete = False
        self.answered: list[Any] = []
        self.errors: list[str] = []
        self.snapshots = 0
        self.events = 0
        self.dropped = 0
        self._parts: dict[str, list[Any]] | None = None
        self._next_part = 1
        self._expects_snapshot = False

    @property
    def resume_query(self) -> dict[str, str]:
        """What a returning client presents; nothing when it holds no whole state."""
        if not self.is_complete:
            return {}
        return {"stream": self.stream, "since": str(self.seq), "subscription": self.subscription}

    def apply(self, message: Mapping[str, Any]) -> None:
        """Take one message."""
        kind = message["type"]
        handler = getattr(self, f"_on_{kind}", None)
        if handler is not None:
            handler(message)
        elif "action" in message:
            self._on_event(message)

    def state(self) -> State:
        """Every feed with its objects by key, or with its last messages."""
        return {name: self._feed(name) for name in self.feeds}

    def _feed(self, name: str) -> Any:
        if self.keys[name] is None:
            return list(self.tails.get(name, ()))
        return self.objects.get(name, {})

    def _on_connection_established(self, message: Mapping[str, Any]) -> None:
        self.keys.update(message["keys"])
        self._subscribe(message)
        outcome = message["resume"]
        self._parts, self._next_part = None, 1
        self._expects_snapshot = outcome == "snapshot"
        if outcome == "snapshot":
            self.is_complete = False
        else:
            assert self.stream == message["stream"]
        if outcome == "live":
            assert self.seq <= message["seq"]
            assert not self.is_unlimited or self.seq == message["seq"]
            self.seq = message["seq"]
        self.stream = message["stream"]

    def _on_subscribed(self, message: Mapping[str, Any]) -> None:
        self.answered.append(message["id"])
        assert message["seq"] >= self.seq or self._expects_snapshot
        self._subscribe(message)

    def _subscribe(self, message: Mapping[str, Any]) -> None:
        self.feeds = list(message["feeds"])
        self.filters = message["filters"]
        self.max_rate = message["max_rate"]
        self.subscription = message["subscription"]
        for held in (self.objects, self.tails):
            for name in set(held) - set(self.feeds):
                del held[name]

    def _on_snapshot(self, message: Mapping[str, Any]) -> None:
        if message["part"] == 1:
            self._parts, self._next_part = {}, 1
        assert self._parts is not None
        assert message["part"] == self._next_part
        for name, objects in message["data"].items():
            self._parts.setdefault(name, []).extend(objects)
        self._next_part += 1
        if message["part"] < message["parts"]:
            return
        if message["stream"] == self.stream and self.is_complete:
            assert message["seq"] >= self.seq
        self._replace(self._parts)
        self.stream, self.seq = message["stream"], message["seq"]
        self.dropped += sum(message["dropped"].values())
        self.snapshots += 1
        self.is_complete = True
        self._parts, self._next_part, self._expects_snapshot = None, 1, False

    def _replace(self, feeds: Mapping[str, list[Any]]) -> None:
        for name, objects in feeds.items():
            key = self.keys[name]
            if key is None:
                assert len(objects) <= TAIL_EVENTS
                self.tails[name] = deque(objects, maxlen=TAIL_EVENTS)
            else:
                self.objects[name] = {str(found[key]): found for found in objects}
                assert len(self.objects[name]) == len(objects), "a key twice in a snapshot"

    def _on_event(self, message: Mapping[str, Any]) -> None:
        assert self._parts is None, "an event between the parts of a snapshot"
        assert self.is_complete, "an event before the state"
        assert message["seq"] > self.seq, "an event twice, or out of order"
        if self.is_unlimited:
            assert message["seq"] == self.seq + 1, "a hole"
        self.seq = message["seq"]
        self.events += 1
        name, action, data = message["type"], message["action"], message["data"]
        assert name in self.feeds
        key = self.keys[name]
        if key is None:
            self.tails.setdefault(name, deque(maxlen=TAIL_EVENTS)).append(data)
        elif action in ACTIONS_THAT_PUT:
            self.objects.setdefault(name, {})[str(data[key])] = data
        else:
            assert action in ACTIONS_THAT_DROP
            self.objects.setdefault(name, {}).pop(str(data[key]), None)

    def _on_heartbeat(self, message: Mapping[str, Any]) -> None:
        assert self._parts is None
        if self.is_complete:
            assert message["seq"] >= self.seq
            assert not self.is_unlimited or message["seq"] == self.seq
            # Everything that matches up to here was sent: a valid `since`.
            self.seq = message["seq"]

    def _on_pong(self, message: Mapping[str, Any]) -> None:
        self.answered.append(message["id"])

    def _on_error(self, message: Mapping[str, Any]) -> None:
        self.errors.append(message["code"])
