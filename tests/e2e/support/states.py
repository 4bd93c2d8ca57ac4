"""The tests' own reducer: what a client holds, from snapshots and events. It shares no code."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tests.e2e.support.clients import Message

Data = dict[str, Any]
Held = dict[str, dict[str, Data] | list[Data]]

TAIL_EVENTS = 50


class State:
    """Objects by feed and key; of a feed without keys, the last 50."""

    def __init__(self, keys: Mapping[str, str | None]) -> None:
        self._keys = dict(keys)
        self.held: Held = {name: {} if key else [] for name, key in keys.items()}

    def copy(self) -> Held:
        """What is held now, unchanged by what comes later."""
        return copy.deepcopy(self.held)

    def replace(self, parts: list[Message]) -> None:
        """Take a snapshot, of which all parts are here."""
        named = {name for part in parts for name in part["data"]}
        for name in named:
            objects = [item for part in parts for item in part["data"].get(name, [])]
            key = self._keys[name]
            if key is None:
                self.held[name] = objects
                continue
            by_key = {str(item[key]): item for item in objects}
            assert len(by_key) == len(objects), f"a snapshot holds one of {name} twice"
            self.held[name] = by_key

    def apply(self, event: Message) -> None:
        """Take one event."""
        name, action, data = event["type"], event["action"], event["data"]
        held, key = self.held[name], self._keys[name]
        if key is None:
            assert isinstance(held, list)
            held.append(data)
            del held[:-TAIL_EVENTS]
            return
        assert isinstance(held, dict)
        if action in ("created", "updated"):
            held[str(data[key])] = data
        else:
            assert action in ("closed", "deleted", "left"), action
            held.pop(str(data[key]), None)
