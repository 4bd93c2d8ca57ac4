"""A channel layer as bad as one may be: the real one, that loses, doubles, delays and reorders."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer

LOST = 0.3
DOUBLED = 0.2
DELAYED = 0.3
LONGEST_DELAY_SECONDS = 1.0


class LossyLayer(RedisPubSubChannelLayer):
    """Each receiver loses other messages; what is delayed comes after what was sent later."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._delayed: set[asyncio.Task[None]] = set()

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send it, perhaps twice, each perhaps later."""
        for _ in range(2 if random.random() < DOUBLED else 1):
            if random.random() < DELAYED:
                self._send_later(group, message)
            else:
                await self._get_layer().group_send(group, message)

    async def receive(self, channel: str) -> dict[str, Any]:
        """The next message that is not lost."""
        while True:
            message: dict[str, Any] = await self._get_layer().receive(channel)
            if random.random() >= LOST:
                return message

    def _send_later(self, group: str, message: dict[str, Any]) -> None:
        async def send() -> None:
            await asyncio.sleep(random.uniform(0, LONGEST_DELAY_SECONDS))
            await self._get_layer().group_send(group, message)

        task = asyncio.get_running_loop().create_task(send())
        self._delayed.add(task)
        task.add_done_callback(self._delayed.discard)
