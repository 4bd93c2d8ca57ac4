"""Redis frozen, emptied, killed: what is written meanwhile arrives, and Redis is heard again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import COMMITTED
from tests.e2e.support.databases import IS_POSTGRESQL
from tests.e2e.support.desk import Desk
from tests.e2e.support.followers import Follower
from tests.e2e.support.redis import IS_INSTALLED, Redis
from tests.e2e.support.servers import Server

pytestmark = [
    pytest.mark.services,
    pytest.mark.faults,
    pytest.mark.skipif(
        not (IS_POSTGRESQL and IS_INSTALLED),
        reason="needs PostgreSQL and the program redis-server: set DATABASE_URL",
    ),
]

# So slow that events which come one after the other without it can only have come by Redis.
POLL_SECONDS = 2.0
EVENTS_BY_LAYER = 5
# As long as the layer may take to be heard again; what is lost meanwhile comes by the poll.
RECOVERY_SECONDS = 20.0
FREEZE_SECONDS = 3.0
PAUSE_SECONDS = 0.1


class Scene:
    """A Redis, a server that hears it, and a writer that tells it."""

    def __init__(self, redis: Redis, server: Server, desk: Desk) -> None:
        self.redis = redis
        self.server = server
        self.desk = desk
        self.follower = Follower(server)
        self._order = asyncio.Lock()

    def committed(self) -> int:
        """The number that the newest event has, or will have."""
        return int(self.server.database.row(COMMITTED)["seq"])

    async def write_one(self) -> None:
        # The desk takes one order at a time.
        async with self._order:
            await asyncio.to_thread(self.desk.publish_log, "while Redis is unwell")

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write all the while, and at the end have everything arrive, in order and whole."""
        stop = asyncio.Event()

        async def write() -> None:
            while not stop.is_set():
                await self.write_one()
                await asyncio.sleep(PAUSE_SECONDS)

        task = asyncio.create_task(write())
        try:
            yield
        finally:
            stop.set()
            await task
        await self.follower.follow_to(self.committed())
        assert self.follower.resyncs == 0

    async def arrives(self) -> None:
        """Everything that is committed by now arrives, by whatever way."""
        await self.follower.follow_to(self.committed())

    async def is_heard(self) -> bool:
        """Whether events come faster one after the other than the poll could bring them."""
        began = time.monotonic()
        for _ in range(EVENTS_BY_LAYER):
            await self.write_one()
            await self.arrives()
        return time.monotonic() - began < (EVENTS_BY_LAYER - 1) * POLL_SECONDS / 2

    async def becomes_heard(self) -> None:
        """Wait until the layer carries events from the writer to the server."""
        async with asyncio.timeout(RECOVERY_SECONDS):
            while not await self.is_heard():
                pass
            # The server's own publisher tries again every few seconds.
            while self.server.fetch("/health").status != 200:
                await asyncio.sleep(PAUSE_SECONDS)


@pytest.fixture(scope="module")
def scene(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with ExitStack() as stack:
        redis = Redis()
        stack.callback(redis.kill)
        redis.start()
        server = start_server(REDIS_URL=redis.url, REALTIME_POLL_SECONDS=str(POLL_SECONDS))
        log = tmp_path_factory.mktemp("desk") / "desk.log"
        desk = Desk(server.database.url, log, REDIS_URL=redis.url)
        stack.callback(desk.close)
        stack.callback(server.stop)
        yield Scene(redis, server, desk)


@pytest.fixture
async def heard(scene: Scene) -> AsyncIterator[Scene]:
    """The scene with its layer at work and its follower connected; nothing of ours may fail."""
    scene.follower = Follower(scene.server)
    await scene.follower.connect()
    await scene.becomes_heard()
    yield scene
    await scene.follower.close()
    # The layer's own library reports each try while Redis is away.
    assert "ERROR realtime" not in scene.server.log, scene.server.log


async def test_frozen_redis_delays_events_by_the_poll_alone(heard: Scene) -> None:
    heard.redis.freeze()
    try:
        async with heard.writing():
            await asyncio.sleep(FREEZE_SECONDS)
        # It still is frozen, and everything has come.
    finally:
        heard.redis.thaw()
    await heard.becomes_heard()


async def test_emptied_redis_is_not_noticed(heard: Scene) -> None:
    async with heard.writing():
        heard.redis.flush_all()
    assert await heard.is_heard()


async def test_killed_redis_delays_events_by_the_poll_alone(heard: Scene) -> None:
    async with heard.writing():
        heard.redis.kill()
        await heard.write_one()
        await heard.arrives()
    heard.redis.start()
    async with heard.writing():
        await heard.becomes_heard()
