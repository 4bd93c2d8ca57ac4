"""The way out through any ASGI server's `send`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realtime.frames import Frame, encode
from realtime.outlets import HIGH_WATER_BYTES, AsgiOutlet


class SlowServer:
    """An ASGI server whose `send` waits until the test lets it go on."""

    def __init__(self, *, is_open: bool) -> None:
        self.sent: list[dict[str, Any]] = []
        self.gate = asyncio.Event()
        if is_open:
            self.gate.set()

    async def send(self, message: dict[str, Any]) -> None:
        await self.gate.wait()
        self.sent.append(message)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


BIG = Frame(b"x" * (HIGH_WATER_BYTES + 1))


async def test_messages_are_sent_in_order_as_text() -> None:
    server = SlowServer(is_open=True)
    outlet = AsgiOutlet(server.send)
    outlet.write([encode({"n": 1}), encode({"n": "é"})])
    outlet.write([encode({"n": 3})])
    await settle()
    assert server.sent == [
        {"type": "websocket.send", "text": '{"n":1}'},
        {"type": "websocket.send", "text": '{"n":"é"}'},
        {"type": "websocket.send", "text": '{"n":3}'},
    ]
    await outlet.stop()


async def test_outlet_is_full_until_the_server_has_taken_everything() -> None:
    server = SlowServer(is_open=False)
    outlet = AsgiOutlet(server.send)
    calls: list[bool] = []
    outlet.when_writable(lambda: calls.append(outlet.is_writable))
    outlet.write([encode({"n": 1})])
    assert outlet.is_writable
    outlet.write([BIG])
    assert not outlet.is_writable
    await settle()
    assert calls == []
    server.gate.set()
    await settle()
    assert calls == [True]
    outlet.write([encode({"n": 2})])
    await settle()
    assert calls == [True]
    assert len(server.sent) == 3
    await outlet.stop()


async def test_what_the_callback_writes_is_sent_before_the_close() -> None:
    server = SlowServer(is_open=True)
    outlet = AsgiOutlet(server.send)

    def write_and_close() -> None:
        outlet.write([encode({"n": 2})])
        outlet.close(1000, "bye")

    outlet.when_writable(write_and_close)
    outlet.write([BIG])
    await outlet.finished()
    assert [message["type"] for message in server.sent] == [
        "websocket.send",
        "websocket.send",
        "websocket.close",
    ]


@pytest.mark.parametrize(
    ("code", "sent"), [(1000, 1000), (1003, 4003), (1008, 4008), (1012, 4012), (1013, 4013)]
)
async def test_code_that_other_servers_refuse_travels_as_a_private_one(
    code: int, sent: int
) -> None:
    server = SlowServer(is_open=True)
    outlet = AsgiOutlet(server.send)
    outlet.write([encode({"n": 1})])
    outlet.close(code, "reason")
    outlet.close(1000, "second")
    assert not outlet.is_writable
    await outlet.finished()
    assert server.sent[-1] == {"type": "websocket.close", "code": sent, "reason": "reason"}
    assert len(server.sent) == 2


async def test_server_that_fails_is_a_connection_that_is_gone() -> None:
    async def fail(message: dict[str, Any]) -> None:
        raise OSError

    outlet = AsgiOutlet(fail)
    outlet.write([encode({"n": 1})])
    await outlet.finished()
    await outlet.stop()


async def test_stopping_sends_nothing_more() -> None:
    server = SlowServer(is_open=False)
    outlet = AsgiOutlet(server.send)
    outlet.write([encode({"n": 1})])
    await settle()
    await outlet.stop()
    server.gate.set()
    await settle()
    assert server.sent == []
