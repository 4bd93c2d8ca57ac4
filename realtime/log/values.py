"""The values that travel from the log to the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

# Events of a feed without keys that a snapshot holds.
TAIL_EVENTS = 50


class Action(StrEnum):
    """What a client does with an event's object."""

    CREATED = "created"
    UPDATED = "updated"
    CLOSED = "closed"
    DELETED = "deleted"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be appended: one event without its number; `data` is JSON text."""

    feed: str
    key: str
    action: Action
    live: bool
    data: str
    filter_fields: tuple[str, ...] = ()


class LoggedEvent(NamedTuple):
    """One numbered event as the log holds it; `was` and `data` are JSON texts."""

    seq: int
    id: int
    feed: str
    key: str
    action: str
    live: bool
    was: str | None
    data: str
    timestamp: str

    def parsed_data(self) -> dict[str, Any]:
        """The message data as a mapping."""
        parsed: dict[str, Any] = orjson.loads(self.data)
        return parsed

    def parsed_was(self) -> Mapping[str, Any] | None:
        """The filter values of the key's previous live event; None when there was none."""
        return orjson.loads(self.was) if self.was else None


class Position(NamedTuple):
    """Where the stream stands: who it is, its newest number, the oldest that can be replayed."""

    identity: str
    head: int
    floor: int


class Newest(NamedTuple):
    """The newest event of one key; `data` is JSON text."""

    key: str
    id: int
    live: bool
    data: str


class HistoryExpired(Exception):
    """The events asked for are no longer in the log."""
