"""What those meet who come while the database is away: new clients, probes, users of REST."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tests.e2e.support.clients import Client
from tests.e2e.support.followers import UNREACHABLE
from tests.e2e.support.servers import LOOK_EVERY_SECONDS, Answer, Server
from tests.faults.support.cluster import Cluster

# More than there are threads that check credentials: nobody may wait in a queue without end.
NEWCOMERS = 6
RECOVERY_SECONDS = 30.0
# Probes give up after a few seconds, and tell nothing then.
PROMPT_SECONDS = 2.5
REST = "/api/risk/"


@dataclass(frozen=True)
class Health:
    """An answer of `/health`, and how long it took."""

    answer: Answer
    seconds: float


async def ask_health(server: Server) -> Health:
    """Ask as a probe does."""
    began = time.monotonic()
    answer = await asyncio.to_thread(server.fetch, "/health")
    return Health(answer, time.monotonic() - began)


async def find_it_away(cluster: Cluster) -> None:
    """Each server says what is wrong to whoever comes, and keeps nobody waiting."""
    await asyncio.gather(*(_find_server(server) for server in cluster.servers))


async def becomes_well(cluster: Cluster) -> None:
    """Wait until each server says that all is well, and lets new clients in."""
    for server in cluster.servers:
        async with asyncio.timeout(RECOVERY_SECONDS):
            while (await ask_health(server)).answer.status != 200:
                await asyncio.sleep(LOOK_EVERY_SECONDS)
        await is_let_in(server)


async def is_noticed(cluster: Cluster) -> None:
    """Wait until each server says that a part is not well."""
    for server in cluster.servers:
        async with asyncio.timeout(RECOVERY_SECONDS):
            while not is_unwell(await ask_health(server)):
                await asyncio.sleep(LOOK_EVERY_SECONDS)


async def is_let_in(server: Server) -> None:
    """A new client gets the present state; one that was refused comes back, as clients do."""
    async with asyncio.timeout(RECOVERY_SECONDS):
        while not await _gets_in(server):
            await asyncio.sleep(LOOK_EVERY_SECONDS)


async def _gets_in(server: Server) -> bool:
    try:
        async with await Client.connect(server) as client:
            types = [(await client.receive())["type"] for _ in range(2)]
    except UNREACHABLE:
        return False
    return types == ["connection_established", "snapshot"]


async def _find_server(server: Server) -> None:
    health, alive, rest, *told = await asyncio.gather(
        ask_health(server),
        asyncio.to_thread(server.fetch, "/livez"),
        asyncio.to_thread(server.fetch, REST, user="operator"),
        *(_is_told_unavailable(server) for _ in range(NEWCOMERS)),
    )
    assert any(told), "no new client was told anything"
    assert is_unwell(health)
    assert is_prompt(health), health.seconds
    assert alive.status == 200
    assert (rest.status, rest.json["code"]) == (503, "unavailable"), rest.body


def is_unwell(health: Health) -> bool:
    """Whether a part has said what is wrong with it."""
    parts = health.answer.json["parts"].values()
    reasons = [part["message"] for part in parts if part["status"] == "error"]
    return health.answer.status == 503 and bool(reasons) and all(reasons)


def is_prompt(health: Health) -> bool:
    """Whether a probe, which gives up soon, would have had the answer."""
    return health.seconds < PROMPT_SECONDS


async def _is_told_unavailable(server: Server) -> bool:
    """False when a busy machine took longer than Daphne gives a handshake."""
    try:
        client = await Client.connect(server)
    except UNREACHABLE:
        return False
    messages, code, _ = await client.receive_until_closed()
    assert [message.get("code") for message in messages] == ["unavailable"]
    assert code == 1013
    return True
