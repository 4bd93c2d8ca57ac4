"""Ready-made WebSocket frames: a message is encoded once, however many clients get it."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson

_TEXT_FRAME = 0x81
_SHORTEST_16_BIT = 126
_SHORTEST_64_BIT = 65536


class Frame:
    """One message, ready to be written; `text` is its JSON, `wire` the WebSocket frame."""

    __slots__ = ("key", "seq", "size", "tail_feed", "wire")

    def __init__(
        self,
        text: bytes,
        *,
        seq: int = 0,
        key: tuple[str, str] | None = None,
        tail_feed: str | None = None,
    ) -> None:
        self.wire = _header(len(text)) + text
        self.size = len(self.wire)
        # The event's number; 0 for a message that is no event.
        self.seq = seq
        # What the event is about, by feed and key: a newer event of the same key replaces it.
        self.key = key
        # The feed without keys that the event belongs to: only such events can be lost.
        self.tail_feed = tail_feed

    @property
    def feed(self) -> str:
        """The feed of an event; empty for a message that is none."""
        return self.key[0] if self.key is not None else self.tail_feed or ""

    @property
    def text(self) -> bytes:
        """The JSON text without the frame around it."""
        return self.wire[header_size(self.wire) :]


def count_tails(frames: Iterable[Frame]) -> Counter[str]:
    """How many of `frames` belong to each feed without keys."""
    return Counter(frame.tail_feed for frame in frames if frame.tail_feed)


def header_size(wire: bytes) -> int:
    """The length of an unmasked frame's header."""
    return {126: 4, 127: 10}.get(wire[1], 2)


def _header(length: int) -> bytes:
    if length < _SHORTEST_16_BIT:
        return bytes((_TEXT_FRAME, length))
    if length < _SHORTEST_64_BIT:
        return struct.pack("!BBH", _TEXT_FRAME, 126, length)
    return struct.pack("!BBQ", _TEXT_FRAME, 127, length)


def encode(message: dict[str, Any]) -> Frame:
    """The frame of a message that only one client gets."""
    return Frame(orjson.dumps(message))
