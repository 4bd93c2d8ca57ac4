"""Two hundred clients of every kind, spread over the servers, that come back as programs do."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import TracebackType
from typing import Self

from tests.e2e.support.clients import Message
from tests.e2e.support.followers import Follower
from tests.e2e.support.servers import Server

# Fewer are for a machine that is busy with other things.
CLIENTS = int(os.environ.get("FAULT_CLIENTS", "200"))
ALL_FEEDS = ("position_update", "equity_update", "risk_status_update", "system_log")
# So many connect at a time.
AT_A_TIME = 20
# As the protocol asks of clients: with jitter, so that a crowd does not come back in one moment,
# and with backoff, so that a server that has just started is not held up by those that gave up.
RETRY_SECONDS = (0.1, 1.0)
MOST_DOUBLINGS = 3
LONGEST_SECONDS = 400.0


@dataclass(frozen=True)
class Kind:
    """What a client is subscribed to, and as whom."""

    name: str
    # Of a hundred clients.
    percent: int
    user: str = "operator"
    query: Mapping[str, str] = field(default_factory=dict)
    feeds: Sequence[str] = ALL_FEEDS
    symbol: str = ""
    is_paced: bool = False

    def wants(self, feed: str, data: Message) -> bool:
        """Whether an event belongs to the subscription."""
        if feed not in self.feeds:
            return False
        return not self.symbol or feed != "position_update" or data["symbol"] == self.symbol


KINDS = (
    Kind("whole", 60),
    Kind("scoped", 10, user="reader", feeds=("position_update",)),
    Kind("logs", 10, query={"feeds": "system_log"}, feeds=("system_log",)),
    Kind("filtered", 10, query={"symbol": "BTC/USDT"}, symbol="BTC/USDT"),
    Kind("paced", 10, query={"max_rate": "2"}, is_paced=True),
)


class Watcher(Follower):
    """A follower that comes back with jitter, to whichever server answers."""

    def __init__(self, servers: Sequence[Server], kind: Kind, *, at: int) -> None:
        super().__init__(servers[at], kind.query, user=kind.user)
        self.kind = kind
        self.tries = 0
        # What servers that closed told it to wait, in seconds.
        self.asked_to_wait: list[float] = []
        # When messages came, in seconds since 1970; those with a number by it.
        self.heard: list[float] = []
        self.arrived: dict[int, float] = {}
        self._servers = servers
        self._at = at
        self._wait_next: float | None = None
        self._failures = 0

    async def receive(self) -> Message:
        message = await super().receive()
        self.heard.append(time.time())
        if "action" in message:
            self.arrived[message["seq"]] = self.heard[-1]
        self._failures = 0
        if message["type"] == "server_closing":
            self._wait_next = message["reconnect_after"]
            self.asked_to_wait.append(message["reconnect_after"])
        return message

    def longest_silence(self, since: float, until: float) -> float:
        """The most seconds between two messages of the period."""
        moments = [since, *(moment for moment in self.heard if since < moment < until), until]
        return max(later - earlier for earlier, later in pairwise(moments))

    def choose_retry(self) -> float:
        self.tries += 1
        self._at = (self._at + 1) % len(self._servers)
        self.move_to(self._servers[self._at])
        asked, self._wait_next = self._wait_next, None
        if asked is not None:
            return asked
        doublings = min(self._failures, MOST_DOUBLINGS)
        self._failures += 1
        return random.uniform(*RETRY_SECONDS) * 2**doublings


class Crowd:
    """Connects all; each is driven by a task of its own until everything has arrived."""

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        clients: int = CLIENTS,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        """`longest_seconds` is how long they may follow in all."""
        kinds = [kind for kind in KINDS for _ in range(kind.percent * clients // 100)]
        self.watchers = [
            Watcher(servers, kind, at=number % len(servers)) for number, kind in enumerate(kinds)
        ]
        self._longest_seconds = longest_seconds
        self._goal: int | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for start in range(0, len(self.watchers), AT_A_TIME):
            batch = self.watchers[start : start + AT_A_TIME]
            await asyncio.gather(*(watcher.connect() for watcher in batch))
        self._tasks = [asyncio.create_task(self._follow(watcher)) for watcher in self.watchers]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(
            *(watcher.close() for watcher in self.watchers), return_exceptions=True
        )

    def at(self, server: Server) -> list[Watcher]:
        """Those that are connected to `server`."""
        return [watcher for watcher in self.watchers if watcher.server is server]

    async def _follow(self, watcher: Watcher) -> None:
        def is_done() -> bool:
            goal = self._goal
            return goal is not None and watcher.seq >= goal and watcher.is_current

        await watcher.follow_through(is_done, deadline_seconds=self._longest_seconds)

    async def has_reached(self, seq: int) -> None:
        """Wait until every client has everything up to `seq`; fails when one has failed."""
        waiting = asyncio.gather(*(watcher.has_reached(seq) for watcher in self.watchers))
        await self._or_failure(waiting)

    async def finish(self, seq: int) -> None:
        """Let every client follow up to `seq`, and end."""
        self._goal = seq
        await asyncio.gather(*self._tasks)

    async def _or_failure(self, waiting: asyncio.Future[list[None]]) -> None:
        done, _ = await asyncio.wait(
            [waiting, *self._tasks],
            return_when=asyncio.FIRST_COMPLETED,
            timeout=LONGEST_SECONDS,
        )
        if waiting not in done:
            waiting.cancel()
            for task in done:
                task.result()
            behind = min(self.watchers, key=lambda watcher: watcher.seq)
            raise AssertionError(f"{behind.kind.name} got no further than {behind.seq}")


def told(event: Message) -> tuple[int, int, str, str, str]:
    """An event as it is compared with its row in the log."""
    data = json.dumps(event["data"], sort_keys=True)
    return event["seq"], event["event"], event["type"], event["action"], data
