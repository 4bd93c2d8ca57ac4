"""What a client says about where it comes from: nothing, unless a proxy was declared."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import Client
from tests.e2e.support.servers import Server

# An address has five times as many unknown tokens, and then waits for hours.
SETTINGS = {"REALTIME_LOGIN_ATTEMPTS": "1", "REALTIME_LOGIN_WAIT_SECONDS": "36000"}
UNKNOWN_TOKENS = 5


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Server:
    """One that clients reach directly."""
    return start_server(**SETTINGS)


@pytest.fixture(scope="module")
def behind_a_proxy(start_server: StartServer, server: Server) -> Server:
    """One whose clients all come by a proxy."""
    return start_server(beside=server, options=("--proxy-headers",), **SETTINGS)


def ask_as(server: Server, forwarded_for: str) -> int:
    """The status of a request with an unknown token and this header."""
    headers = {"Authorization": f"Token {'0' * 64}", "X-Forwarded-For": forwarded_for}
    return server.fetch("/api/events/", headers=headers).status


def test_client_that_names_another_address_each_time_is_counted_as_one(server: Server) -> None:
    answers = [ask_as(server, f"203.0.113.{number}") for number in range(UNKNOWN_TOKENS + 1)]
    assert answers == [401] * UNKNOWN_TOKENS + [429]


def test_address_is_what_the_proxy_saw_not_what_it_was_told(behind_a_proxy: Server) -> None:
    """A proxy that appends to what the client said is understood, too."""
    answers = [
        ask_as(behind_a_proxy, f"203.0.113.{number}, 198.51.100.1")
        for number in range(UNKNOWN_TOKENS + 1)
    ]
    assert answers == [401] * UNKNOWN_TOKENS + [429]
    assert ask_as(behind_a_proxy, "203.0.113.1, 198.51.100.2") == 401


async def test_address_of_a_stream_is_the_same(behind_a_proxy: Server) -> None:
    headers = {"X-Forwarded-For": "203.0.113.1, 198.51.100.3"}
    async with await Client.connect(behind_a_proxy, headers=headers) as client:
        await client.receive_type("snapshot")
    assert "198.51.100.3:0 - - " in behind_a_proxy.log
    assert "203.0.113.1:" not in behind_a_proxy.log


async def test_root_path_of_a_client_is_not_believed(server: Server) -> None:
    """Or `/x/metrics` would be `/metrics` past every rule of a proxy."""
    headers = {"Daphne-Root-Path": "/x"}
    assert server.fetch("/livez", headers=headers).status == 200
    assert server.fetch("/x/livez", headers=headers).status == 404
    with pytest.raises(InvalidStatus, match="403"):
        await Client.connect(server, path="/x/ws", headers=headers)
