"""The channel layer: batches travel, and nothing that goes wrong with it delays anybody."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django import Settings

from realtime import layer
from realtime.layer import (
    LARGEST_PAYLOAD_BYTES,
    PING_MESSAGE,
    QUEUE_BATCHES,
    LayerPublisher,
    LayerReceiver,
    decode_batch,
    encode_batch,
    layer_is_shared,
)
from tests.realtime.fakes import logged

REDIS_URL = os.environ.get("REDIS_URL", "")
SECONDS = 10.0

on_redis = [
    pytest.mark.services,
    pytest.mark.skipif(not REDIS_URL, reason="needs Redis: set REDIS_URL, as `make test-services`"),
]
REDIS_BACKEND = "channels_redis.pubsub.RedisPubSubChannelLayer"


def test_batch_comes_back_as_it_was() -> None:
    events = [logged(7, was={"venue": "north"}), logged(8, live=False, data={"note": "é"})]
    message = encode_batch("s", events)
    assert (message["first"], message["last"]) == (7, 8)
    assert decode_batch(message) == ("s", 8, events)


def test_large_batch_goes_as_its_numbers_only() -> None:
    events = [logged(7, data={"note": "n" * LARGEST_PAYLOAD_BYTES}), logged(8)]
    message = encode_batch("s", events)
    assert "events" not in message
    assert decode_batch(message) == ("s", 8, [])


@pytest.mark.parametrize(
    ("backend", "numbers_on_append", "is_shared"),
    [
        ("channels.layers.InMemoryChannelLayer", False, False),
        (REDIS_BACKEND, False, True),
        (REDIS_BACKEND, True, False),
        (None, False, False),
    ],
)
def test_layer_is_shared_between_processes_on_postgresql_only(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    backend: str | None,
    numbers_on_append: bool,
    is_shared: bool,
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}} if backend else {}
    monkeypatch.setattr(layer, "numbers_on_append", lambda: numbers_on_append)
    assert layer_is_shared() is is_shared


class FakeLayer:
    """A layer that does as the test says, in whichever thread."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.made = 0
        self.flushed = 0
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()

    def make(self) -> FakeLayer:
        self.made += 1
        return self

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        while not self.gate.is_set():
            await asyncio.sleep(0.001)
        if self.error is not None:
            raise self.error
        self.sent.append(message)

    async def new_channel(self) -> str:
        return f"channel.{self.made}"

    async def group_add(self, group: str, channel: str) -> None:
        """Nothing to do."""

    async def receive(self, channel: str) -> dict[str, Any]:
        message = await self.inbox.get()
        if isinstance(message, Exception):
            raise message
        found: dict[str, Any] = message
        return found

    async def flush(self) -> None:
        self.flushed += 1


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeLayer:
    made = FakeLayer()
    monkeypatch.setattr(layer, "make_layer", made.make)
    # What is sent is what the test sends.
    monkeypatch.setattr(layer, "PING_SECONDS", 3600.0)
    return made


@pytest.fixture
def publisher(fake: FakeLayer) -> Iterator[LayerPublisher]:
    running = LayerPublisher()
    yield running
    fake.gate.set()
    running.stop()


def test_publisher_sends_in_order_and_is_drained(
    fake: FakeLayer, publisher: LayerPublisher
) -> None:
    for seq in (1, 2, 3):
        publisher.publish("s", [logged(seq)])
    assert publisher.drain(SECONDS)
    assert [message["last"] for message in fake.sent] == [1, 2, 3]
    assert publisher.error is None


def test_draining_gives_up_at_its_deadline(fake: FakeLayer, publisher: LayerPublisher) -> None:
    fake.gate.clear()
    publisher.publish("s", [logged(1)])
    assert not publisher.drain(0.01)
    fake.gate.set()
    assert publisher.drain(SECONDS)


def test_frozen_layer_is_given_up_and_made_anew(
    fake: FakeLayer, publisher: LayerPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer, "SEND_SECONDS", 0.05)
    fake.gate.clear()
    for seq in (1, 2, 3):
        publisher.publish("s", [logged(seq)])
    assert publisher.drain(SECONDS)
    assert fake.sent == []
    assert publisher.dropped_batches == 3
    assert publisher.error is not None
    assert "TimeoutError" in publisher.error
    fake.gate.set()
    publisher.publish("s", [logged(4)])
    assert publisher.drain(SECONDS)
    assert [message["last"] for message in fake.sent] == [4]
    assert publisher.error is None
    assert fake.made >= 2
    assert fake.flushed >= 1


def test_layer_that_refuses_is_warned_of_once(
    fake: FakeLayer, publisher: LayerPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    fake.error = OSError("refused")
    for seq in (1, 2):
        publisher.publish("s", [logged(seq)])
        assert publisher.drain(SECONDS)
    assert publisher.error == "OSError: refused"
    assert publisher.dropped_batches == 2
    assert caplog.text.count("does not take events") == 1
    fake.error = None
    publisher.publish("s", [logged(3)])
    assert publisher.drain(SECONDS)
    assert caplog.text.count("takes events again") == 1


def test_layer_that_goes_and_comes_back_is_noticed_without_anything_to_send(
    fake: FakeLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer, "PING_SECONDS", 0.001)
    publisher = LayerPublisher()
    try:
        fake.error = OSError("refused")
        wait_until(lambda: publisher.error == "OSError: refused")
        # No event was lost: none was sent.
        assert publisher.dropped_batches == 0
        fake.error = None
        wait_until(lambda: publisher.error is None)
        assert {message["type"] for message in fake.sent} <= {PING_MESSAGE["type"]}
    finally:
        publisher.stop()


def wait_until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_done():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_full_queue_drops_and_keeps_nobody_waiting(
    fake: FakeLayer, publisher: LayerPublisher
) -> None:
    fake.gate.clear()
    for seq in range(QUEUE_BATCHES + 10):
        publisher.publish("s", [logged(seq + 1)])
    # The publisher's thread comes to them when it can.
    deadline = time.monotonic() + SECONDS
    while not publisher.dropped_batches and time.monotonic() < deadline:
        time.sleep(0.001)
    assert publisher.dropped_batches > 0
    fake.gate.set()
    assert publisher.drain(SECONDS)
    assert len(fake.sent) + publisher.dropped_batches == QUEUE_BATCHES + 10


async def until(is_done: Any) -> None:
    async with asyncio.timeout(SECONDS):
        while not is_done():
            await asyncio.sleep(0.001)


async def test_receiver_hands_on_what_it_hears(fake: FakeLayer) -> None:
    heard: list[dict[str, Any]] = []
    receiver = LayerReceiver(heard.append)
    receiver.start()
    fake.inbox.put_nowait({"n": 1})
    fake.inbox.put_nowait({"n": 2})
    await until(lambda: len(heard) == 2)
    await receiver.stop()
    await receiver.stop()
    assert heard == [{"n": 1}, {"n": 2}]
    assert fake.flushed == 1


@pytest.mark.parametrize(
    ("error", "is_told"), [(OSError("gone"), False), (RuntimeError("what is this"), True)]
)
async def test_receiver_that_fails_takes_another_channel(
    fake: FakeLayer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    is_told: bool,
) -> None:
    monkeypatch.setattr(LayerReceiver, "RETRY_SECONDS", 0.0)
    heard: list[dict[str, Any]] = []
    receiver = LayerReceiver(heard.append)
    receiver.start()
    fake.inbox.put_nowait(error)
    fake.inbox.put_nowait({"n": 1})
    await until(lambda: heard)
    await receiver.stop()
    assert fake.made == 2
    # That the layer is away its publisher tells, which pings it.
    assert ("cannot be heard" in caplog.text) is is_told


async def test_message_that_cannot_be_taken_does_not_end_the_receiver(
    fake: FakeLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LayerReceiver, "RETRY_SECONDS", 0.0)
    heard: list[int] = []
    receiver = LayerReceiver(lambda message: heard.append(message["n"]))
    receiver.start()
    fake.inbox.put_nowait({"nonsense": 1})
    fake.inbox.put_nowait({"n": 1})
    await until(lambda: heard)
    await receiver.stop()
    assert heard == [1]


async def test_deaf_receiver_is_renewed_when_it_has_had_its_time(
    fake: FakeLayer, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    seconds = [1000.0]
    monkeypatch.setattr(layer, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    heard: list[dict[str, Any]] = []
    receiver = LayerReceiver(heard.append)
    receiver.start()
    await until(lambda: fake.made == 1)
    receiver.renew()
    seconds[0] += 5 * settings.REALTIME_HEARTBEAT_SECONDS + 1
    receiver.renew()
    await until(lambda: fake.made == 2)
    fake.inbox.put_nowait({"n": 1})
    await until(lambda: heard)
    await receiver.stop()


class TestRedis:
    """The real thing, where there is one."""

    pytestmark = on_redis

    @pytest.fixture(autouse=True)
    def _redis(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        config = {"hosts": [REDIS_URL], "prefix": f"test-{uuid.uuid4().hex}"}
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": REDIS_BACKEND, "CONFIG": config}}
        monkeypatch.setattr(layer.channel_layers, "backends", {})

    async def test_batch_travels_from_one_process_to_all(self) -> None:
        heard: list[list[int]] = [[], []]
        receivers = [
            LayerReceiver(lambda message, own=own: own.append(decode_batch(message)[1]))  # type: ignore[misc]
            for own in heard
        ]
        for receiver in receivers:
            receiver.start()
        publisher = LayerPublisher()
        seq = 0
        # Whoever is not subscribed yet does not hear the first ones: a lossy way.
        async with asyncio.timeout(SECONDS):
            while not all(heard):
                seq += 1
                publisher.publish("s", [logged(seq)])
                await asyncio.to_thread(publisher.drain, SECONDS)
        for receiver in receivers:
            await receiver.stop()
        await asyncio.to_thread(publisher.stop)
        assert all(own == list(range(own[0], own[-1] + 1)) for own in heard)

    def test_redis_that_is_not_there_is_given_up(self, settings: Settings) -> None:
        config = {"hosts": ["redis://127.0.0.1:1/0"]}
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": REDIS_BACKEND, "CONFIG": config}}
        publisher = LayerPublisher()
        publisher.publish("s", [logged(1)])
        assert publisher.drain(SECONDS)
        assert publisher.dropped_batches == 1
        publisher.stop()
