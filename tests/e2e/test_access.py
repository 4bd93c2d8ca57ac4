"""Access that ends while it is used: two servers, another process that takes it away."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.browsing import Browser, sign_in
from tests.e2e.support.clients import Client, Message
from tests.e2e.support.desk import Desk
from tests.e2e.support.processes import run_manage
from tests.e2e.support.servers import Server
from tests.e2e.test_two_servers import HAS_SERVICES, NO_REDIS, REDIS_URL

PASSWORD = "the-words-of-a-test"
OTHER_PASSWORD = "the-other-words-of-a-test"
POSITIONS, LOGS = "position_update", "system_log"
RECHECK_SECONDS = 0.3
JWT_SECONDS = 3.0
ATTEMPTS = 4
# An address waits a fifth of it.
WAIT_SECONDS = 30
# Far less than the half minute after which a re-check would find it.
AT_ONCE_SECONDS = 10.0
_numbers = count(1)

# SQLite's servers never use a layer; with Redis the re-check is left at its half minute, so that
# only what Redis brings can end a connection in time.
OFFICES = ["office", *(["redis_office"] if HAS_SERVICES else [])]


@dataclass(frozen=True)
class Person:
    """A user of one test."""

    name: str
    key: str


@dataclass
class Office:
    """Two servers, and another process that decides who sees what."""

    one: Server
    other: Server
    desk: Desk
    redis_url: str

    def hire(self) -> Person:
        """A new user, who may see logs and, by its group, positions."""
        name = f"person{next(_numbers)}"
        return Person(name, self.desk.call("make_user", name=name, password=PASSWORD))

    def issue_jwts(self, person: Person, *, are_short: bool = False) -> dict[str, str]:
        """JWTs for the person's password; short ones expire while the test waits."""
        body = json.dumps({"username": person.name, "password": PASSWORD})
        issued: dict[str, str] = post(self.one if are_short else self.other, "/api/jwt/", body)
        return issued


def post(server: Server, path: str, body: str) -> Any:
    """What the server answers, which has to be a 200."""
    headers = {"Content-Type": "application/json"}
    answer = server.fetch(path, method="POST", headers=headers, body=body)
    assert answer.status == 200, answer.body
    return answer.json


def make_office(start_server: StartServer, log: Any, redis_url: str, **options: str) -> Office:
    options |= {"REDIS_URL": redis_url}
    one = start_server(**options, REALTIME_JWT_ACCESS_SECONDS=str(JWT_SECONDS))
    other = start_server(beside=one, **options)
    actions = "tests.e2e.support.access_actions"
    desk = Desk(one.database.url, log, actions=actions, REDIS_URL=redis_url)
    return Office(one, other, desk, redis_url)


@pytest.fixture(scope="module")
def office(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Without Redis: what the other process does is found by the re-check."""
    log = tmp_path_factory.mktemp("office") / "desk.log"
    options = {
        "REALTIME_RECHECK_SECONDS": str(RECHECK_SECONDS),
        "REALTIME_LOGIN_ATTEMPTS": str(ATTEMPTS),
        "REALTIME_LOGIN_WAIT_SECONDS": str(WAIT_SECONDS),
    }
    made = make_office(start_server, log, NO_REDIS, **options)
    yield made
    made.desk.close()


@pytest.fixture(scope="module")
def redis_office(
    start_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    """With Redis, by which servers are told at once."""
    made = make_office(start_server, tmp_path_factory.mktemp("office") / "desk.log", REDIS_URL)
    yield made
    made.desk.close()


@pytest.fixture(params=OFFICES)
def any_office(request: pytest.FixtureRequest) -> Office:
    """Each way in which servers hear of it."""
    found: Office = request.getfixturevalue(request.param)
    return found


async def connect(server: Server, key: str) -> Client:
    """A client in mid-stream."""
    client = await Client.connect(server, user=None, headers={"Authorization": f"Bearer {key}"})
    greeting = await client.receive()
    assert greeting["type"] == "connection_established", greeting
    await client.receive_type("snapshot")
    return client


async def connect_both(office: Office, key: str) -> list[Client]:
    """A client of each server."""
    return [await connect(server, key) for server in (office.one, office.other)]


async def page_socket(server: Server, browser: Browser) -> Client:
    """The WebSocket of a page that the browser shows."""
    headers = {"Cookie": browser.header, "Origin": f"http://127.0.0.1:{server.port}"}
    client = await Client.connect(server, user=None, headers=headers)
    await client.receive_type("snapshot")
    return client


async def assert_ends(client: Client, code: str) -> list[Message]:
    """The connection ends at once with this code; what came before."""
    started = time.monotonic()
    messages, close_code, reason = await client.receive_until_closed()
    assert (messages[-1]["type"], messages[-1]["code"]) == ("error", code)
    assert messages[-1]["fatal"] is True
    assert (close_code, reason) == (1008, code)
    assert time.monotonic() - started < AT_ONCE_SECONDS
    return messages[:-1]


async def assert_open(client: Client) -> None:
    assert (await client.ask({"action": "ping", "id": 1}, "pong"))["id"] == 1


async def test_viewer_without_a_permission_sees_the_rest_and_is_told(office: Office) -> None:
    async with await Client.connect(office.one, user="reader") as client:
        assert (await client.receive_type("connection_established"))["feeds"] == [POSITIONS]
        assert set((await client.receive_type("snapshot"))["data"]) == {POSITIONS}
        refused = await client.ask({"action": "subscribe", "id": 7, "feeds": [LOGS]}, "error")
        assert (refused["code"], refused["id"], refused["fatal"]) == ("permission_denied", 7, False)
        office.desk.publish_log("not for the reader")
        await asyncio.sleep(0.2)
        await client.send({"action": "ping"})
        assert LOGS not in await types_until(client, "pong")
    denied = office.one.fetch(f"/api/events/?feeds={LOGS}", user="reader")
    assert (denied.status, denied.json["code"]) == (403, "permission_denied")


async def types_until(client: Client, last: str) -> list[str]:
    types = []
    while (kind := (await client.receive())["type"]) != last:
        types.append(kind)
    return types


async def test_token_revoked_in_mid_stream_ends_the_connections_of_both_servers(
    any_office: Office,
) -> None:
    person, witness = any_office.hire(), any_office.hire()
    clients = await connect_both(any_office, person.key)
    witnesses = await connect_both(any_office, witness.key)
    any_office.desk.publish_log("before")
    for client in clients:
        await client.receive_type(LOGS)
    database, redis_url = any_office.one.database, any_office.redis_url
    said = run_manage(database.url, "revoke_token", "--user", person.name, REDIS_URL=redis_url)
    assert said == f"Revoked {person.key[:15]}… of {person.name}.\n"
    any_office.desk.publish_log("after")
    for client in clients:
        await assert_ends(client, "token_revoked")
    for client in witnesses:
        await assert_open(client)
        await client.close()
    refused = await Client.connect(any_office.one, {"token": person.key}, user=None)
    await assert_ends(refused, "invalid_token")


async def test_deactivated_user_is_closed_on_both_servers(any_office: Office) -> None:
    person = any_office.hire()
    clients = await connect_both(any_office, person.key)
    any_office.desk.call("deactivate", name=person.name)
    for client in clients:
        await assert_ends(client, "permission_denied")


async def test_group_taken_away_narrows_the_connections_of_both_servers(
    any_office: Office,
) -> None:
    person = any_office.hire()
    clients = await connect_both(any_office, person.key)
    any_office.desk.call("leave_groups", name=person.name)
    for client in clients:
        note = await client.receive_type("error")
        assert (note["code"], note["fatal"]) == ("permission_denied", False)
        assert (await client.receive_type("subscribed"))["feeds"] == [LOGS]
        any_office.desk.publish_log("still heard")
        await client.receive_type(LOGS)
        await client.close()


async def test_password_that_changes_ends_jwts_and_sessions_and_leaves_tokens(
    any_office: Office,
) -> None:
    person = any_office.hire()
    issued = any_office.issue_jwts(person)
    browser = await asyncio.to_thread(sign_in, any_office.other, person.name, PASSWORD)
    by_jwt = await connect(any_office.one, issued["access"])
    by_page = await page_socket(any_office.other, browser)
    by_token = await connect(any_office.other, person.key)
    any_office.desk.call("change_password", name=person.name, password=OTHER_PASSWORD)
    await assert_ends(by_jwt, "token_revoked")
    await assert_ends(by_page, "authentication_required")
    await assert_open(by_token)
    await by_token.close()
    headers = {"Content-Type": "application/json"}
    body = json.dumps({"refresh": issued["refresh"]})
    path = "/api/jwt/refresh/"
    renewed = any_office.one.fetch(path, method="POST", headers=headers, body=body)
    assert (renewed.status, renewed.json["code"]) == (401, "token_revoked")


async def test_signing_out_closes_the_pages_of_that_session(office: Office) -> None:
    person = office.hire()
    browser = await asyncio.to_thread(sign_in, office.one, person.name, PASSWORD)
    elsewhere = await asyncio.to_thread(sign_in, office.one, person.name, PASSWORD)
    page = await page_socket(office.one, browser)
    other_page = await page_socket(office.one, elsewhere)
    answer = await asyncio.to_thread(browser.post, "/admin/logout/", {}, form_at="/admin/")
    assert answer.status == 200
    await assert_ends(page, "authentication_required")
    await asyncio.sleep(2 * RECHECK_SECONDS)
    await assert_open(other_page)
    await other_page.close()


async def test_jwt_that_expires_closes_its_connection(office: Office) -> None:
    issued = office.issue_jwts(office.hire(), are_short=True)
    client = await Client.connect(office.one, {"token": issued["access"]}, user=None)
    warning = await client.receive_type("token_expiring")
    before = await assert_ends(client, "token_expired")
    assert warning["expires_at"] > warning["timestamp"]
    assert "token_expiring" not in [message["type"] for message in before]
    again = await Client.connect(office.one, {"token": issued["access"]}, user=None)
    await assert_ends(again, "token_expired")


async def test_jwt_that_is_renewed_in_time_goes_on(office: Office) -> None:
    person = office.hire()
    issued = office.issue_jwts(person, are_short=True)
    offered = ["realtime.v1", f"bearer.{issued['access']}"]
    async with await Client.connect(office.one, user=None, subprotocols=offered) as client:
        first_end = (await client.receive_type("token_expiring"))["expires_at"]
        await asyncio.sleep(1)
        renewed = post(office.one, "/api/jwt/refresh/", json.dumps({"refresh": issued["refresh"]}))
        command = {"action": "authenticate", "id": 7, "token": renewed["access"]}
        answer = await client.ask(command, "authenticated")
        assert (answer["id"], answer["user"]) == (7, person.name)
        assert answer["expires_at"] > first_end
        # The stream goes on past the first end.
        while (await client.receive_type("heartbeat"))["timestamp"] <= first_end:
            pass
        await assert_open(client)


async def test_credential_of_another_user_or_of_nobody_changes_nothing(office: Office) -> None:
    person, other = office.hire(), office.hire()
    refresh = office.issue_jwts(person)["refresh"]
    async with await Client.connect(office.one, {"token": person.key}, user=None) as client:
        for key, code in (
            (other.key, "permission_denied"),
            ("nonsense", "invalid_token"),
            (refresh, "invalid_token"),
        ):
            command = {"action": "authenticate", "id": code, "token": key}
            answer = await client.ask(command, "error")
            assert (answer["id"], answer["code"], answer["fatal"]) == (code, code, False)
        await assert_open(client)


async def test_guesses_of_a_password_and_of_tokens_are_slowed_down(office: Office) -> None:
    server, person = office.other, office.hire()
    headers = {"Content-Type": "application/json"}
    answers = []
    for password in ["guess"] * ATTEMPTS + [PASSWORD]:
        body = json.dumps({"username": person.name, "password": password})
        answers.append(server.fetch("/api/token/", method="POST", headers=headers, body=body))
    assert [answer.status for answer in answers] == [401] * ATTEMPTS + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= WAIT_SECONDS
    # An address has five times as many unknown tokens; then each is held back.
    guess = {"Authorization": "Token guess"}
    statuses = [server.fetch("/api/events/", headers=guess).status for _ in range(5 * ATTEMPTS + 3)]
    assert set(statuses) == {401, 429}
    started = time.monotonic()
    refused = await Client.connect(server, {"token": "guess"}, user=None)
    await assert_ends(refused, "invalid_token")
    assert time.monotonic() - started > 0.5
    async with await connect(server, person.key) as client:
        await assert_open(client)
