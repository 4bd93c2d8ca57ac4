"""What no client should send, made from a seed: frames, handshakes and requests, nearly valid."""

from __future__ import annotations

import json
import random
import struct

FRAME_TYPES = (0x0, 0x1, 0x1, 0x1, 0x2, 0x3, 0x7, 0x8, 0x9, 0xA, 0xB, 0xF)
GIANT_LENGTHS = (2**16, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
TEXTS = (
    "",
    "ping",
    "subscribe",
    "position_update",
    "system_log",
    "\x00",
    "é\u2028\U0001f600",
    "x" * 300,
    "../..",
    "';--",
)
NUMBERS = (0, -1, 1.5, 2**53, 2**64, 10**400, 1e308, True, None)
BROKEN_UTF_8 = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\x80")


class Fuzzer:
    """A source of nonsense; the same seed gives the same."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def value(self, depth: int = 0) -> object:
        """Any JSON value."""
        chance = self._chance
        kind = chance.randrange(6 if depth < 3 else 3)
        if kind == 0:
            return chance.choice(NUMBERS)
        if kind < 3:
            return chance.choice(TEXTS)
        if kind < 5:
            return [self.value(depth + 1) for _ in range(chance.randrange(4))]
        return {chance.choice(TEXTS): self.value(depth + 1) for _ in range(chance.randrange(4))}

    def command(self) -> bytes:
        """A command in which something is not as it should be, or nearly JSON."""
        chance = self._chance
        actions = ("ping", "snapshot", "subscribe", "unsubscribe", "authenticate", "fly")
        command: dict[str, object] = {"action": chance.choice(actions), "id": chance.randrange(9)}
        valid = {
            "feeds": ["system_log"],
            "filters": {"position_update": {"symbol": ["BTC/USDT"]}},
            "max_rate": 2,
            "token": "nonsense",
        }
        for name, usual in valid.items():
            match chance.randrange(3):
                case 0:
                    command[name] = usual
                case 1:
                    command[name] = self.value()
        if not chance.randrange(4):
            command[chance.choice(("action", "id"))] = self.value()
        text = bytearray(json.dumps(command), "ascii")
        if not chance.randrange(3):
            text[chance.randrange(len(text))] = chance.randrange(256)
        if not chance.randrange(8):
            return b"[" * chance.choice((10, 2000, 60_000))
        return bytes(text)

    def frame(self) -> bytes:
        """A frame that may have anything wrong that a frame can."""
        chance = self._chance
        payload = self.command()
        if not chance.randrange(4):
            payload = chance.randbytes(chance.randrange(200)) + chance.choice(BROKEN_UTF_8)
        first = chance.choice(FRAME_TYPES) | (0x80 if chance.randrange(4) else 0)
        if not chance.randrange(6):
            first |= chance.choice((0x40, 0x20, 0x10))
        is_masked = bool(chance.randrange(8))
        return (
            bytes([first]) + self._length(len(payload), is_masked) + self._body(payload, is_masked)
        )

    def frames(self) -> bytes:
        """Some frames, the last of them perhaps cut off."""
        chance = self._chance
        data = b"".join(self.frame() for _ in range(chance.randrange(1, 6)))
        return data if chance.randrange(3) else data[: chance.randrange(len(data))]

    def target(self) -> bytes:
        """The path and query of a connection."""
        chance = self._chance
        names = ("token", "feeds", "symbol", "stream", "since", "snapshot", "max_rate", "colour")
        pairs = []
        for _ in range(chance.randrange(5)):
            value = chance.choice(
                ("", "%00", "%ff", "%zz", "1e999", "-1", "9" * 30, "a,b", "x" * 999)
            )
            pairs.append(f"{chance.choice((*names, 'max_rate', 'colour'))}={value}")
        query = chance.choice(("&", ";", "&&", "=")).join(pairs).encode()
        path = chance.choice(
            (b"/ws", b"/ws", b"/ws/", b"/ws%2f", b"//ws", b"/wsx", b"/%ff", b"/\xff", b"/ws?\xff")
        )
        return path + b"?" + query if query else path

    def handshake(self, token: str) -> bytes:
        """A request to connect, with headers that are strange, missing or broken."""
        chance = self._chance
        headers = {
            b"Host": chance.choice((b"localhost", b"localhost", b"[::1", b"\xff", b"a b", b"")),
            b"Upgrade": chance.choice((b"websocket", b"websocket", b"WebSocket", b"h2c", b"")),
            b"Connection": chance.choice((b"Upgrade", b"Upgrade", b"keep-alive, Upgrade", b"")),
            b"Sec-WebSocket-Key": chance.choice((b"dGhlIHNhbXBsZSBub25jZQ==", b"short", b"\xff")),
            b"Sec-WebSocket-Version": chance.choice((b"13", b"13", b"13", b"8", b"-1", b"x")),
            b"Sec-WebSocket-Protocol": chance.choice(
                (b"realtime.v1", b"bearer.", b"bearer.\xff", b",,", b'"', b"realtime.v1, bearer.x")
            ),
            b"Authorization": chance.choice(
                (f"Token {token}".encode(), b"Token", b"Bearer a.b.c", b"Basic eA==", b"Token \xff")
            ),
            b"Cookie": chance.choice((b"sessionid=x", b"sessionid=\xff", b"=;=", b'"' * 99)),
            b"Origin": chance.choice((b"http://localhost", b"null", b"http://[", b"\xff", b"")),
        }
        kept = [(name, value) for name, value in headers.items() if chance.randrange(8)]
        lines = [b"GET " + self.target() + b" HTTP/1.1"]
        lines += [name + b": " + value for name, value in kept]
        if not chance.randrange(10):
            lines.insert(
                1, chance.choice((b"no colon", b": no name", b"Content-Length: -1", b"\x00"))
            )
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _length(self, length: int, is_masked: bool) -> bytes:
        mask = 0x80 if is_masked else 0
        if not self._chance.randrange(10):
            return struct.pack("!BQ", mask | 127, self._chance.choice(GIANT_LENGTHS))
        if not self._chance.randrange(10):
            # More bytes than it needs.
            return struct.pack("!BQ", mask | 127, length)
        if length < 126:
            return bytes([mask | length])
        return struct.pack("!BH", mask | 126, length)

    def _body(self, payload: bytes, is_masked: bool) -> bytes:
        if not is_masked:
            return payload
        key = self._chance.randbytes(4)
        return key + bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
