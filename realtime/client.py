"""A small client for the terminal: `python -m realtime.client URL` prints each message as a line.

The token comes from `--token` or the variable REALTIME_TOKEN, and travels as a header. Nothing but
the standard library is needed, so it also shows how little the protocol asks of a client.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import os
import secrets
import struct
import sys
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


class Disconnected(Exception):
    """The server closed the connection, or refused it."""


async def listen(url: str, token: str | None) -> AsyncIterator[str]:
    """Yield each message of the stream as text; raises Disconnected at the end."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "wss"
    port = parts.port or (443 if is_tls else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=is_tls or None)
    try:
        await _shake_hands(reader, writer, url, token)
        while True:
            opcode, payload = await _read_frame(reader)
            if opcode == TEXT:
                yield payload.decode()
            elif opcode == PING:
                writer.write(_masked(PONG, payload))
            elif opcode == CLOSE:
                writer.write(_masked(CLOSE, payload))
                code = int.from_bytes(payload[:2], "big") if payload else 1005
                raise Disconnected(f"closed with {code} {payload[2:].decode()}".strip())
    except asyncio.IncompleteReadError:
        raise Disconnected("the connection was lost") from None
    finally:
        writer.close()


async def _shake_hands(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str, token: str | None
) -> None:
    parts = urlsplit(url)
    key = base64.b64encode(secrets.token_bytes(16))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key.decode()}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: realtime.v1",
    ]
    if token:
        lines.append(f"Authorization: Token {token}")
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status = head.split("\r\n", 1)[0]
    # RFC 6455, 4.1: the server proves that it understood the handshake.
    proof = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest()).decode()
    if " 101 " not in status or proof not in head:
        raise Disconnected(f"refused: {status}")


async def _read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", await reader.readexactly(8))
    return first & 0x0F, await reader.readexactly(length)


def _masked(opcode: int, payload: bytes) -> bytes:
    mask = secrets.token_bytes(4)
    body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes((0x80 | opcode, 0x80 | len(payload))) + mask + body


async def _print_all(url: str, token: str | None) -> None:
    async for message in listen(url, token):
        print(message, flush=True)


def main() -> int:
    """Run the command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m realtime.client", description=__doc__)
    parser.add_argument("url", help="for example ws://127.0.0.1:8000/ws?feeds=position_update")
    parser.add_argument("--token", default=os.environ.get("REALTIME_TOKEN"))
    options = parser.parse_args()
    if urlsplit(options.url).scheme not in {"ws", "wss"}:
        parser.error(f"{options.url!r} is not a ws:// or wss:// address")
    try:
        asyncio.run(_print_all(options.url, options.token))
    except KeyboardInterrupt:
        return 0
    except (Disconnected, OSError) as error:
        print(f"{options.url}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
