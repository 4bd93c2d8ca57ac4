"""Pages of other origins: one list opens REST to them, and the stream with a cookie."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.browsing import sign_in
from tests.e2e.support.clients import Client
from tests.e2e.support.seeding import ADMIN_PASSWORD
from tests.e2e.support.servers import Answer, Server

LISTED = "https://desk.example"
FOREIGN = "https://evil.example"
SECRET = "a-secret-of-a-test-that-is-longer-than-fifty-characters"
EVENTS = "/api/events/"
ALLOWED_ORIGIN = "Access-Control-Allow-Origin"
ALLOWED_COOKIES = "Access-Control-Allow-Credentials"


@pytest.fixture(scope="module")
def development(start_server: StartServer) -> Server:
    """As it is without any setting; its sessions are those of production, too."""
    return start_server(SECRET_KEY=SECRET, REALTIME_ALLOWED_ORIGINS=LISTED)


@pytest.fixture(scope="module")
def production(start_server: StartServer, development: Server) -> Server:
    """Without the debug mode."""
    return start_server(
        beside=development,
        DEBUG="0",
        HTTPS="0",
        SECRET_KEY=SECRET,
        REALTIME_ALLOWED_ORIGINS=LISTED,
    )


def ask(server: Server, path: str, origin: str, **headers: str) -> Answer:
    """What a page of `origin` gets."""
    return server.fetch(path, headers={"Origin": origin, **headers})


def preflight(server: Server, origin: str) -> Mapping[str, str]:
    """What a browser is told before it sends a page's request with a token."""
    answer = server.fetch(
        EVENTS,
        method="OPTIONS",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
        },
    )
    return dict(answer.headers.items())


def test_listed_origin_uses_rest_with_a_token_or_the_cookie(production: Server) -> None:
    answer = ask(production, EVENTS, LISTED)
    assert answer.status == 401
    assert answer.headers[ALLOWED_ORIGIN] == LISTED
    assert answer.headers[ALLOWED_COOKIES] == "true"
    assert "retry-after" in answer.headers["Access-Control-Expose-Headers"].lower()
    told = preflight(production, LISTED)
    assert told[ALLOWED_ORIGIN] == LISTED
    for name in ("authorization", "content-type", "idempotency-key"):
        assert name in told["Access-Control-Allow-Headers"].lower()


def test_other_origins_read_nothing_of_rest(production: Server) -> None:
    for origin in (FOREIGN, "null", f"{LISTED}.evil.example", LISTED.replace("https", "http")):
        assert ALLOWED_ORIGIN not in ask(production, EVENTS, origin).headers
        assert ALLOWED_ORIGIN not in preflight(production, origin)


def test_only_rest_is_for_pages_of_other_origins(production: Server) -> None:
    assert ALLOWED_ORIGIN not in ask(production, "/health", LISTED).headers


def test_development_lets_every_page_use_rest_without_cookies(development: Server) -> None:
    answer = ask(development, EVENTS, FOREIGN)
    assert answer.headers[ALLOWED_ORIGIN] == "*"
    assert ALLOWED_COOKIES not in answer.headers


async def test_cookie_opens_the_stream_to_the_same_list(
    development: Server, production: Server
) -> None:
    cookie = sign_in(development, "admin", ADMIN_PASSWORD).header
    for server in (development, production):
        headers = {"Cookie": cookie, "Origin": LISTED}
        async with await Client.connect(server, user=None, headers=headers) as client:
            assert (await client.receive())["user"] == "admin"
        headers["Origin"] = FOREIGN
        refused = await Client.connect(server, user=None, headers=headers)
        messages, code, _ = await refused.receive_until_closed()
        assert ([message["code"] for message in messages], code) == (["origin_not_allowed"], 1008)
