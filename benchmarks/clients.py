"""The load generator's clients: each follows the stream and checks every number in it."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks.websocket import (
    CLOSE,
    CONTINUATION,
    FINAL,
    FINAL_TEXT,
    PING,
    PONG,
    TEXT,
    Handshake,
    ProtocolViolation,
    masked_frame,
    split_frames,
)

# All clients get the same bytes: a message is parsed once, and recognised afterwards.
LARGEST_SHARED_BYTES = 16 * 1024
SHARED_MESSAGES = 512
# How the writers number what they change; see `benchmarks.writing`.
CHANGE_PREFIX = "change-"
KEPT_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Message:
    """What a client needs to know of one message."""

    type: str
    seq: int
    change: int | None = None
    is_last_part: bool = True


@dataclass(slots=True)
class Ledger:
    """What all clients of one generator received."""

    receipts: dict[int, array[int]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    bytes_received: int = 0
    ready: int = 0
    resyncs: int = 0
    lost: int = 0
    problem_count: int = 0
    problems: list[str] = field(default_factory=list)
    _shared: dict[bytes, Message] = field(default_factory=dict)

    def read(self, payload: bytes) -> Message:
        """Parse a message, or recognise one that another client has had."""
        known = self._shared.get(payload)
        if known is not None:
            return known
        message = parse(payload)
        if len(payload) <= LARGEST_SHARED_BYTES:
            if len(self._shared) >= SHARED_MESSAGES:
                self._shared.clear()
            self._shared[payload] = message
        return message

    def note_receipt(self, change: int, at_ns: int) -> None:
        """One client has received one change."""
        times = self.receipts.get(change)
        if times is None:
            times = self.receipts[change] = array("q")
        times.append(at_ns)

    def note_problem(self, text: str) -> None:
        """Something that makes the run void."""
        self.problem_count += 1
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(text)


def parse(payload: bytes) -> Message:
    """Read one message of the protocol."""
    message: dict[str, Any] = orjson.loads(payload)
    type_, seq = message["type"], message.get("seq", 0)
    if type_ == "snapshot":
        return Message(type_, seq, is_last_part=message["part"] == message["parts"])
    if "event" not in message:
        return Message(type_, seq)
    text = str(message["data"].get("strategy_id", ""))
    is_change = text.startswith(CHANGE_PREFIX)
    return Message("event", seq, int(text.removeprefix(CHANGE_PREFIX)) if is_change else None)


class Client:
    """One connection without its socket: bytes in, bytes to answer out."""

    __slots__ = ("_fragments", "_handshake", "_ledger", "_rest", "is_ready", "seq")

    def __init__(self, handshake: Handshake, ledger: Ledger) -> None:
        self._handshake: Handshake | None = handshake
        self._ledger = ledger
        self._rest = b""
        self._fragments: list[bytes] = []
        self.is_ready = False
        self.seq = 0

    def receive(self, data: bytes, at_ns: int) -> bytes:
        """Take what the socket had at `at_ns`; returns what is to be sent back, mostly nothing."""
        if self._rest:
            data = self._rest + data
        if self._handshake is not None:
            rest = self._handshake.finish(data)
            if rest is None:
                self._rest = data
                return b""
            self._handshake, data = None, rest
        frames, self._rest = split_frames(data)
        answer = b""
        for first, payload in frames:
            if first == FINAL_TEXT:
                self._take(payload, at_ns)
            else:
                answer += self._take_other(first, payload, at_ns)
        return answer

    def _take_other(self, first: int, payload: bytes, at_ns: int) -> bytes:
        opcode = first & ~FINAL
        if opcode == PING:
            return masked_frame(PONG, payload)
        if opcode == CLOSE:
            self._ledger.note_problem(f"closed by the server: {payload!r}")
            return masked_frame(CLOSE, payload[:2])
        if opcode not in {TEXT, CONTINUATION} or (opcode == TEXT) == bool(self._fragments):
            raise ProtocolViolation(f"a frame that begins with {first:#x} has no place here")
        self._fragments.append(payload)
        if first & FINAL:
            whole = b"".join(self._fragments)
            self._fragments.clear()
            self._take(whole, at_ns)
        return b""

    def _take(self, payload: bytes, at_ns: int) -> None:
        ledger = self._ledger
        message = ledger.read(payload)
        ledger.counts[message.type] += 1
        if message.type == "event":
            if message.seq != self.seq + 1:
                ledger.note_problem(f"event {message.seq} came after {self.seq}")
            self.seq = message.seq
            if message.change is not None:
                ledger.note_receipt(message.change, at_ns)
        elif message.type == "heartbeat":
            if message.seq != self.seq:
                ledger.note_problem(f"a heartbeat at {message.seq} came after {self.seq}")
        elif message.type == "snapshot" and message.is_last_part:
            self._take_snapshot(message.seq)
        elif message.type == "error":
            ledger.note_problem(f"error: {payload!r}")

    def _take_snapshot(self, seq: int) -> None:
        if self.is_ready:
            self._ledger.resyncs += 1
        else:
            self.is_ready = True
            self._ledger.ready += 1
        self.seq = seq
