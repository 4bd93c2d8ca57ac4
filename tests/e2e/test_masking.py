"""Tokens are in no log: not the server's, not the access log's, however much it says."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import ConnectionClosed

from tests.e2e.conftest import StartServer
from tests.e2e.support.browsing import sign_in
from tests.e2e.support.clients import Client
from tests.e2e.support.seeding import ADMIN_PASSWORD
from tests.e2e.support.servers import DAPHNE, UVICORN, Server
from tests.e2e.test_credentials import issue_token

SERVERS = {
    "daphne": (DAPHNE, ("-v", "1")),
    "daphne that says more": (DAPHNE, ("-v", "2")),
    "uvicorn": (UVICORN, ()),
    "uvicorn that says more": (UVICORN, ("--log-level", "debug")),
}
UNKNOWN = "feedfacefeedfacefeedfacefeedfacefeedfacefeedfacefeedfacefeedface"


@pytest.mark.parametrize("kind", SERVERS)
async def test_no_log_shows_a_token(start_server: StartServer, kind: str) -> None:
    command, options = SERVERS[kind]
    server = start_server(command=command, options=options, LOG_LEVEL="DEBUG")
    secrets = {server.tokens["operator"], server.tokens["expired"], UNKNOWN, ADMIN_PASSWORD}
    for key in (server.tokens["operator"], server.tokens["expired"], UNKNOWN):
        await present_everywhere(server, key)
    answer = issue_token(server, {"username": "admin", "password": ADMIN_PASSWORD})
    secrets.add(answer.json["token"])
    jwts = issue_jwts(server)
    secrets |= {part for jwt in jwts.values() for part in jwt.split(".")[1:]}
    await present_everywhere(server, jwts["access"])
    cookies = sign_in(server, "admin", ADMIN_PASSWORD).cookies
    server.fetch("/no-such-page", headers={"Cookie": f"sessionid={cookies['sessionid']}"})
    secrets.add(cookies["sessionid"])
    server.stop()
    assert "/ws" in server.log
    assert "/no-such-page" in server.log
    for secret in secrets:
        assert secret not in server.log


def issue_jwts(server: Server) -> dict[str, str]:
    body = json.dumps({"username": "admin", "password": ADMIN_PASSWORD})
    headers = {"Content-Type": "application/json"}
    issued: dict[str, str] = server.fetch(
        "/api/jwt/", method="POST", headers=headers, body=body
    ).json
    return issued


async def present_everywhere(server: Server, key: str) -> None:
    """Use `key` in each way in which a client may, and in some in which it may not."""
    bearer = ["realtime.v1", f"bearer.{key}"]
    ways = (
        await Client.connect(server, {"token": key}, user=None),
        await Client.connect(server, {"feeds": "system_log", "token": key}, user=None),
        await Client.connect(server, user=None, headers={"Authorization": f"Token {key}"}),
        await Client.connect(server, user=None, subprotocols=bearer),
    )
    for client in ways:
        assert (await client.receive())["type"] in {"connection_established", "error"}
        try:
            await client.send({"action": "authenticate", "token": key})
            # What follows a credential that is taken is answered after it.
            await client.ask({"action": "ping"}, "pong")
        except ConnectionClosed:
            # Refused: the server has closed it.
            pass
        await client.close()
    for path in ("/health", "/no-such-page", "/ws", "/api/events/"):
        server.fetch(f"{path}?token={key}", headers={"Authorization": f"Bearer {key}"})
        server.fetch(f"{path}?a=b&token={key}&c=d")
