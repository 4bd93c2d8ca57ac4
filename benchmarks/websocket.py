"""The client's side of RFC 6455, as far as a load generator needs it: pure, without I/O."""

from __future__ import annotations

import base64
import hashlib
import os
import struct

# RFC 6455, 1.3.
ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FINAL = 0x80
MASKED = 0x80
CONTINUATION, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA
FINAL_TEXT = FINAL | TEXT
LONGEST_HEADER_BYTES = 16 * 1024

Frame = tuple[int, bytes]


class ProtocolViolation(Exception):
    """The server sent what no server may send."""


class Handshake:
    """One opening handshake."""

    def __init__(self, *, host: str, path: str, token: str) -> None:
        key = base64.b64encode(os.urandom(16))
        self._accept = base64.b64encode(hashlib.sha1(key + ACCEPT_SALT).digest())
        self.request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key.decode()}\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: realtime.v1\r\n"
            f"Authorization: Token {token}\r\n\r\n"
        ).encode()

    def finish(self, received: bytes) -> bytes | None:
        """What follows the server's answer; None while that is not complete."""
        head, end, rest = received.partition(b"\r\n\r\n")
        if not end:
            if len(received) > LONGEST_HEADER_BYTES:
                raise ProtocolViolation("the answer to the handshake has no end")
            return None
        status, *lines = head.split(b"\r\n")
        fields = {name.lower(): value.strip() for name, _, value in _pairs(lines)}
        if b" 101 " not in status or fields.get(b"sec-websocket-accept") != self._accept:
            raise ProtocolViolation(f"the handshake was answered with {status!r}")
        return rest


def _pairs(lines: list[bytes]) -> list[tuple[bytes, bytes, bytes]]:
    return [line.partition(b":") for line in lines]


def split_frames(data: bytes) -> tuple[list[Frame], bytes]:
    """The complete frames in `data`, as their first byte and payload, and the rest.

    Raises ProtocolViolation for a masked frame: servers send none.
    """
    frames: list[Frame] = []
    position, end = 0, len(data)
    while end - position >= 2:
        first, length, start = data[position], data[position + 1], position + 2
        if length & MASKED:
            raise ProtocolViolation("a frame from the server is masked")
        if length == 126:
            start += 2
            length = int.from_bytes(data[start - 2 : start]) if start <= end else end
        elif length == 127:
            start += 8
            length = int.from_bytes(data[start - 8 : start]) if start <= end else end
        if start + length > end:
            break
        frames.append((first, data[start : start + length]))
        position = start + length
    return frames, data[position:]


def masked_frame(opcode: int, payload: bytes) -> bytes:
    """A frame as a client sends it; for control frames and short commands."""
    mask = os.urandom(4)
    body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    if len(payload) < 126:
        return struct.pack("!BB", FINAL | opcode, MASKED | len(payload)) + mask + body
    return struct.pack("!BBH", FINAL | opcode, MASKED | 126, len(payload)) + mask + body
