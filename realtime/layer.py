"""The channel layer: a fast but lossy way to carry batches to other processes' hubs.

What it loses, doubles or reorders is read from the log; nothing here is needed for correctness.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orjson
from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import InMemoryChannelLayer, channel_layers
from django.conf import settings
from django.utils.module_loading import import_string

from realtime.conf import conf
from realtime.layer_outages import is_outage, quieten_outages
from realtime.log import LoggedEvent
from realtime.log.database import numbers_on_append

logger = logging.getLogger(__name__)

GROUP = "realtime.stream"
# Nobody is in it: what is sent there proves that the layer takes messages, and goes nowhere.
PING_GROUP = "realtime.ping"
PING_MESSAGE = {"type": PING_GROUP}
BATCH_MESSAGE = "realtime.batch"
# A larger batch goes as its numbers only; the receivers read it from the log.
LARGEST_PAYLOAD_BYTES = 256 * 1024
SEND_SECONDS = 1.0
# A process that sends nothing else would never find out that the layer is gone.
PING_SECONDS = 2.0
CANCEL_SECONDS = 0.1
QUEUE_BATCHES = 200
STOP_SECONDS = 10.0


class Layer(Protocol):
    """What is used of a channel layer."""

    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...

    async def group_add(self, group: str, channel: str) -> None: ...

    async def new_channel(self) -> str: ...

    async def receive(self, channel: str) -> dict[str, Any]: ...

    async def flush(self) -> None: ...


def layer_is_shared() -> bool:
    """Whether a channel layer reaches other processes, and carries batches.

    Not with SQLite: every process is on the same machine then, and polls in 20 ms.
    """
    backend = getattr(settings, "CHANNEL_LAYERS", {}).get(DEFAULT_CHANNEL_LAYER, {}).get("BACKEND")
    in_memory = f"{InMemoryChannelLayer.__module__}.{InMemoryChannelLayer.__qualname__}"
    return backend is not None and backend != in_memory and not numbers_on_append()


def import_layer() -> None:
    """Import the shared layer's module now, in the thread that starts the process.

    A process that forks while another thread imports leaves the import's lock to its child, held
    by nobody: the child's publisher would wait for it for ever.
    """
    if layer_is_shared():
        import_string(settings.CHANNEL_LAYERS[DEFAULT_CHANNEL_LAYER]["BACKEND"])
        quieten_outages()


def make_layer() -> Layer:
    """A layer of one's own: a layer belongs to the event loop that first uses it."""
    layer: Layer = channel_layers.make_backend(DEFAULT_CHANNEL_LAYER)
    return layer


async def close_layer(layer: Layer) -> None:
    """Close the connections of a layer that failed, as far as they let themselves be closed."""
    with contextlib.suppress(Exception):
        # Not `wait_for`: Python 3.11's may swallow a cancellation, and its task would never end.
        async with asyncio.timeout(SEND_SECONDS):
            await layer.flush()


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancel `task` until it ends: on Python 3.11 redis-py's `wait_for` may swallow one try."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_SECONDS)


def encode_batch(identity: str, events: Sequence[LoggedEvent]) -> dict[str, Any]:
    """The layer's message for `events`, which are consecutive."""
    payload = orjson.dumps([tuple(event) for event in events])
    message = {
        "type": BATCH_MESSAGE,
        "stream": identity,
        "first": events[0].seq,
        "last": events[-1].seq,
    }
    return message | {"events": payload} if len(payload) <= LARGEST_PAYLOAD_BYTES else message


def decode_batch(message: dict[str, Any]) -> tuple[str, int, list[LoggedEvent]]:
    """Identity, last number and events (none when only the numbers were sent)."""
    payload = message.get("events")
    events = [LoggedEvent(*row) for row in orjson.loads(payload)] if payload else []
    return str(message["stream"]), int(message["last"]), events


class LayerPublisher:
    """Sends batches from a thread of its own, so that a frozen Redis delays nobody.

    While there is nothing to send it pings, so that `error` is true in every process.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUE_BATCHES)
        self._outstanding = 0
        self._settled = threading.Condition()
        self.error: str | None = None
        self.dropped_batches = 0
        self._thread = threading.Thread(
            target=self._run, name="realtime-layer-publisher", daemon=True
        )
        self._thread.start()

    def publish(self, identity: str, events: Sequence[LoggedEvent]) -> None:
        """Queue one batch; when the queue is full it is dropped, since hubs read the log too."""
        self.send(encode_batch(identity, events))

    def send(self, message: dict[str, Any]) -> None:
        """Queue one message for every hub."""
        with self._settled:
            self._outstanding += 1
        self._loop.call_soon_threadsafe(self._put, message)

    def drain(self, timeout_seconds: float) -> bool:
        """Wait until everything queued was sent or given up; False at the timeout."""
        with self._settled:
            return self._settled.wait_for(lambda: not self._outstanding, max(0.0, timeout_seconds))

    def stop(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=STOP_SECONDS)

    def _put(self, message: dict[str, Any]) -> None:
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self._drop(1)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        sending = self._loop.create_task(self._send_all())
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(end_task(sending))
            self._loop.close()

    async def _send_all(self) -> None:
        layer = make_layer()
        while True:
            message = await self._next_message()
            group = PING_GROUP if message is None else GROUP
            count = 0 if message is None else 1
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await layer.group_send(group, message or PING_MESSAGE)
            except Exception as error:
                self._give_up(error, count=count)
                await close_layer(layer)
                layer = make_layer()
            else:
                self._report_recovery()
                self._settle(count)

    async def _next_message(self) -> dict[str, Any] | None:
        """What is to be sent next; None when there was nothing for a while."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                return await self._queue.get()
        except TimeoutError:
            return None

    def _report_recovery(self) -> None:
        if self.error is not None:
            self.error = None
            logger.warning("The channel layer takes events again")

    def _give_up(self, error: Exception, *, count: int) -> None:
        if self.error is None:
            logger.warning("The channel layer does not take events (servers poll): %r", error)
        self.error = f"{type(error).__name__}: {error}".strip()
        waiting = self._queue.qsize()
        for _ in range(waiting):
            self._queue.get_nowait()
        self._drop(count + waiting)

    def _drop(self, count: int) -> None:
        self.dropped_batches += count
        self._settle(count)

    def _settle(self, count: int) -> None:
        with self._settled:
            self._outstanding -= count
            self._settled.notify_all()


class LayerReceiver:
    """Receives other processes' batches in the hub's event loop, on a channel of its own."""

    # After a failure, or deafness, this long passes before the next try.
    RETRY_SECONDS = 1.0

    def __init__(self, take: Callable[[dict[str, Any]], None]) -> None:
        self._take = take
        self._task: asyncio.Task[None] | None = None
        self._renewed_at = 0.0

    def start(self) -> None:
        """Begin to receive."""
        self._renewed_at = time.monotonic()
        self._task = asyncio.get_running_loop().create_task(self._receive())

    def renew(self) -> None:
        """Take a new channel: the head moves and this one hears nothing."""
        if time.monotonic() - self._renewed_at > 5 * conf().heartbeat_seconds:
            logger.warning("The channel layer is silent while the stream moves: a new channel")
            if self._task is not None:
                self._task.cancel()
            self.start()

    async def stop(self) -> None:
        """Stop receiving."""
        if self._task is not None:
            await end_task(self._task)
            self._task = None

    async def _receive(self) -> None:
        while True:
            layer = make_layer()
            try:
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                while True:
                    self._take(await layer.receive(channel))
            except Exception as error:
                # Of a layer that is away the publisher tells, once.
                if not is_outage(error):
                    logger.warning("The channel layer cannot be heard (polling instead): %r", error)
                await asyncio.sleep(self.RETRY_SECONDS)
            finally:
                await close_layer(layer)
