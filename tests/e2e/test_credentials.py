"""Credentials: by header, subprotocol, query and cookie; refusals that a browser can read."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.browsing import sign_in
from tests.e2e.support.clients import Client, Query
from tests.e2e.support.seeding import ADMIN_PASSWORD
from tests.e2e.support.servers import Answer, Server

SUBPROTOCOL = "realtime.v1"


async def user_of(
    server: Server,
    query: Query | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    subprotocols: list[str] | None = None,
) -> str:
    """The user as whom the server lets these credentials in."""
    async with await Client.connect(
        server, query, user=None, headers=headers, subprotocols=subprotocols
    ) as client:
        greeting = await client.receive()
        assert greeting["type"] == "connection_established", greeting
        return str(greeting["user"])


async def assert_refused(
    server: Server,
    code: str,
    query: Query | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    subprotocols: list[str] | None = None,
) -> None:
    """Accepted, told why, closed with 1008: a browser cannot read a refused handshake."""
    client = await Client.connect(
        server, query, user=None, headers=headers, subprotocols=subprotocols
    )
    messages, close_code, reason = await client.receive_until_closed()
    assert [message["type"] for message in messages] == ["error"]
    assert (messages[0]["code"], messages[0]["fatal"]) == (code, True)
    assert messages[0]["message"]
    assert (close_code, reason) == (1008, code)


@pytest.mark.parametrize("scheme", ["Token", "token", "Bearer"])
async def test_token_by_header(server: Server, scheme: str) -> None:
    header = {"Authorization": f"{scheme} {server.tokens['operator']}"}
    assert await user_of(server, headers=header) == "operator"


async def test_token_by_subprotocol_of_which_only_ours_is_echoed(server: Server) -> None:
    offered = [SUBPROTOCOL, f"bearer.{server.tokens['operator']}"]
    async with await Client.connect(server, user=None, subprotocols=offered) as client:
        assert (await client.receive())["user"] == "operator"
        assert client.subprotocol == SUBPROTOCOL


async def test_token_by_query(server: Server) -> None:
    assert await user_of(server, {"token": server.tokens["operator"]}) == "operator"


async def test_header_wins_over_subprotocol_and_that_over_query(server: Server) -> None:
    header = {"Authorization": f"Token {server.tokens['operator']}"}
    offered = [SUBPROTOCOL, f"bearer.{server.tokens['reader']}"]
    query = {"token": server.tokens["admin"]}
    assert await user_of(server, query, headers=header, subprotocols=offered) == "operator"
    assert await user_of(server, query, subprotocols=offered) == "reader"
    assert await user_of(server, query) == "admin"


async def test_bad_header_is_not_made_good_by_a_token_elsewhere(server: Server) -> None:
    query = {"token": server.tokens["operator"]}
    await assert_refused(
        server, "invalid_token", query, headers={"Authorization": "Token nonsense"}
    )
    await assert_refused(server, "invalid_token", query, headers={"Authorization": "Basic eA=="})


async def test_nothing_presented_is_refused(server: Server) -> None:
    await assert_refused(server, "authentication_required")


@pytest.mark.parametrize("key", ["nonsense", "", "x" * 3000, "'; DROP TABLE x --", "\u00e4"])
async def test_unknown_token_is_refused(server: Server, key: str) -> None:
    await assert_refused(server, "invalid_token", {"token": key})


async def test_refusal_by_subprotocol_still_echoes_ours(server: Server) -> None:
    offered = [SUBPROTOCOL, "bearer.nonsense"]
    client = await Client.connect(server, user=None, subprotocols=offered)
    messages, code, reason = await client.receive_until_closed()
    assert client.subprotocol == SUBPROTOCOL
    assert [message["code"] for message in messages] == ["invalid_token"]
    assert (code, reason) == (1008, "invalid_token")


async def test_expired_token_is_refused(server: Server) -> None:
    await assert_refused(server, "token_expired", {"token": server.tokens["expired"]})


async def test_token_of_an_inactive_user_is_refused(server: Server) -> None:
    await assert_refused(server, "invalid_token", {"token": server.tokens["retired"]})


async def test_user_who_may_view_no_feed_is_refused(server: Server) -> None:
    await assert_refused(server, "permission_denied", {"token": server.tokens["stranger"]})


async def test_session_cookie_opens_to_our_own_pages_alone(server: Server) -> None:
    cookie = sign_in(server, "admin", ADMIN_PASSWORD).header
    ours = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{server.port}"}
    assert await user_of(server, headers=ours) == "admin"
    foreign = [
        "https://evil.example",
        f"http://127.0.0.1:{server.port + 1}",
        f"http://evil.example:{server.port}",
        "null",
    ]
    for origin in foreign:
        headers = {"Cookie": cookie, "Origin": origin}
        await assert_refused(server, "origin_not_allowed", headers=headers)
    await assert_refused(server, "origin_not_allowed", headers={"Cookie": cookie})


@pytest.mark.parametrize("origin", ["https://desk.example", "null"])
async def test_token_opens_from_any_origin(server: Server, origin: str) -> None:
    query = {"token": server.tokens["operator"]}
    assert await user_of(server, query, headers={"Origin": origin}) == "operator"


async def test_cookie_of_nobody_is_no_credential(server: Server) -> None:
    await assert_refused(
        server, "authentication_required", headers={"Cookie": "sessionid=nonsense"}
    )


async def test_issued_token_opens_the_stream_and_rest(server: Server) -> None:
    answer = issue_token(server, {"username": "admin", "password": ADMIN_PASSWORD})
    assert answer.status == 200, answer.body
    key = answer.json["token"]
    assert await user_of(server, {"token": key}) == "admin"
    positions = server.fetch("/api/positions/", headers={"Authorization": f"Token {key}"})
    assert positions.status == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"username": "admin", "password": "wrong"}, 401, "invalid_credentials"),
        ({"username": "nobody", "password": ADMIN_PASSWORD}, 401, "invalid_credentials"),
        ({"username": "admin"}, 400, "invalid_value"),
        ({"username": "admin", "password": ["x"]}, 400, "invalid_value"),
        ([], 400, "invalid_value"),
    ],
)
def test_no_token_for_a_bad_request(server: Server, body: object, status: int, code: str) -> None:
    answer = issue_token(server, body)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert "token" not in answer.json


def issue_token(server: Server, body: object) -> Answer:
    headers = {"Content-Type": "application/json"}
    return server.fetch("/api/token/", method="POST", headers=headers, body=json.dumps(body))


async def test_anonymous_clients_see_what_is_chosen_for_them(start_server: StartServer) -> None:
    server = start_server(
        REALTIME_ALLOW_ANONYMOUS="1", REALTIME_ANONYMOUS_FEEDS="position_update,risk_status_update"
    )
    async with await Client.connect(server, user=None) as client:
        greeting, snapshot = await client.receive(), await client.receive()
    assert greeting["user"] == "anonymous"
    chosen = {"position_update", "risk_status_update"}
    assert set(greeting["feeds"]) == snapshot["data"].keys() == chosen
    assert "WARNING" in server.log
    assert "REALTIME_ALLOW_ANONYMOUS" in server.log
    assert await user_of(server, {"token": server.tokens["operator"]}) == "operator"
    await assert_refused(server, "invalid_token", {"token": "nonsense"})
