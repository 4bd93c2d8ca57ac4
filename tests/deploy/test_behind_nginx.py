"""Two real servers behind the real nginx: streams, resumes, and addresses that are believed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.deploy.conftest import StartNginx
from tests.deploy.proxies import Nginx
from tests.deploy.support import needs_nginx, only_with_services
from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import Client, Query
from tests.e2e.support.servers import HEARTBEAT_SECONDS, Server

pytestmark = [pytest.mark.services, only_with_services, needs_nginx]

# An address has five times as many unknown tokens, at each process.
ATTEMPTS = 1
UNKNOWN_TOKENS = 5 * ATTEMPTS
READ_TIMEOUT_SECONDS = 2
NO_CLOSE_FRAME = 1006
EVENTS = "/api/events/"


@dataclass
class Site:
    """Two servers and the proxy before them, which a client takes for a server."""

    servers: tuple[Server, Server]
    nginx: Nginx

    @property
    def port(self) -> int:
        return self.nginx.port

    @property
    def tokens(self) -> Mapping[str, str]:
        return self.servers[0].tokens

    async def connect(self, query: Query | None = None) -> Client:
        return await Client.connect(self, query)


@pytest.fixture(scope="module")
def site(start_server: StartServer, start_nginx: StartNginx) -> Site:
    settings = {"REALTIME_LOGIN_ATTEMPTS": str(ATTEMPTS), "REALTIME_LOGIN_WAIT_SECONDS": "36000"}
    one = start_server(options=("--proxy-headers",), **settings)
    other = start_server(beside=one, options=("--proxy-headers",), **settings)
    changes = {"proxy_read_timeout 60s": f"proxy_read_timeout {READ_TIMEOUT_SECONDS}s"}
    return Site((one, other), start_nginx(one.port, other.port, changes=changes))


def connections_of(server: Server) -> int:
    count: int = server.fetch("/health").json["active_connections"]
    return count


def ask_with_unknown_token(site: Site, source: str, **headers: str) -> int:
    return site.nginx.fetch(
        EVENTS, headers={"Authorization": f"Token {'0' * 64}", **headers}, source=source
    )[0]


def exhaust(site: Site, source: str) -> None:
    """Present unknown tokens until each of the two servers has had enough of that address."""
    for _ in range(4 * UNKNOWN_TOKENS):
        ask_with_unknown_token(site, source)
    assert ask_with_unknown_token(site, source) == 429


async def test_stream_stays_open_while_there_are_heartbeats(site: Site) -> None:
    async with await site.connect() as client:
        began = time.monotonic()
        while time.monotonic() - began < 2 * READ_TIMEOUT_SECONDS:
            await client.receive_type("heartbeat")
    assert HEARTBEAT_SECONDS < READ_TIMEOUT_SECONDS


async def test_both_servers_get_clients(site: Site) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            client = await stack.enter_async_context(await site.connect())
            await client.receive_type("snapshot")
        assert [connections_of(server) for server in site.servers] == [2, 2]


async def test_client_of_a_dead_server_resumes_on_the_other(site: Site) -> None:
    async with await site.connect() as client:
        greeting = await client.receive_type("connection_established")
        await client.receive_type("snapshot")
        (dying,) = [server for server in site.servers if connections_of(server) == 1]
        (surviving,) = [server for server in site.servers if server is not dying]
        dying.program.kill()
        _, code, _ = await client.receive_until_closed()
        assert code == NO_CLOSE_FRAME
    surviving.desk.publish_log("while it was away")
    ticket = {name: greeting[name] for name in ("stream", "subscription")}
    async with await site.connect({**ticket, "since": greeting["seq"]}) as client:
        again = await client.receive()
        assert again["resume"] in ("replay", "live")
        event = await client.receive_type("system_log")
        assert event["data"]["message"] == "while it was away"
    dying.start()


def test_clients_are_told_apart_by_their_addresses(site: Site) -> None:
    exhaust(site, "127.0.0.2")
    assert ask_with_unknown_token(site, "127.0.0.3") == 401


def test_forged_address_is_not_believed_behind_nginx(site: Site) -> None:
    exhaust(site, "127.0.0.4")
    for number in range(2 * UNKNOWN_TOKENS):
        forged = {"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"}
        assert ask_with_unknown_token(site, "127.0.0.4", **forged) == 429


async def test_access_log_of_the_server_names_the_client(site: Site) -> None:
    status, body = site.nginx.fetch("/livez", source="127.0.0.5")
    assert (status, json.loads(body)["status"]) == (200, "alive")
    async with asyncio.timeout(30):
        while not any("127.0.0.5:0 - - " in server.log for server in site.servers):
            await asyncio.sleep(0.02)
