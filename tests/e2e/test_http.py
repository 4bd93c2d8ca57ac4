"""Plain HTTP: health, the service's information, the page, and reading over REST."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.browsing import Browser, sign_in
from tests.e2e.support.clients import Client, catch_up
from tests.e2e.support.published import comparable_data, read_position
from tests.e2e.support.seeding import ADMIN_PASSWORD
from tests.e2e.support.servers import Server

PAGE = 500
READING = ("/api/positions/", "/api/equity/", "/api/risk/", "/api/events/")


async def test_health_counts_the_connections(server: Server) -> None:
    async with await Client.connect(server) as client:
        await client.receive_type("snapshot")
        answer = server.fetch("/health")
        assert answer.status == 200
        assert answer.json["status"] == "healthy"
        assert answer.json["active_connections"] == 1
        assert answer.json["timestamp"].endswith("Z")


def test_livez_says_that_the_process_runs(server: Server) -> None:
    answer = server.fetch("/livez")
    assert (answer.status, answer.json["status"]) == (200, "alive")


def test_root_is_the_services_information(server: Server) -> None:
    answer = server.fetch("/", headers={"Accept": "application/json"})
    assert answer.status == 200
    assert answer.json["service"] == "Stable Cash & Carry"
    assert answer.json["websocket_endpoint"] == "/ws"
    assert isinstance(answer.json["active_connections"], int)
    assert answer.json["version"]


def test_root_is_for_a_browser_the_page_behind_the_login(server: Server) -> None:
    answer = Browser(server).get("/")
    assert answer.status == 302
    assert answer.headers["Location"] == "/admin/login/?next=/"
    page = sign_in(server, "admin", ADMIN_PASSWORD).get("/")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "/ws" in page.body or "stream.js" in page.body


@pytest.mark.parametrize("path", READING)
def test_reading_needs_credentials(server: Server, path: str) -> None:
    answer = server.fetch(path)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Token"
    assert answer.json.keys() == {"code", "message", "fields"}
    bad = server.fetch(path, headers={"Authorization": "Token nonsense"})
    assert (bad.status, bad.json["code"]) == (401, "invalid_token")
    expired = server.fetch(path, user="expired")
    assert (expired.status, expired.json["code"]) == (401, "token_expired")


@pytest.mark.parametrize("path", READING)
def test_reading_works_with_a_token(server: Server, path: str) -> None:
    answer = server.fetch(path, user="operator")
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("path", ["/api/equity/", "/api/risk/"])
def test_reading_needs_the_feeds_permission(server: Server, path: str) -> None:
    answer = server.fetch(path, user="reader")
    assert (answer.status, answer.json["code"]) == (403, "permission_denied")


def test_position_reads_as_the_row_is(server: Server) -> None:
    key = server.desk.call("open_position")
    row = read_position(server.database, key)
    one = server.fetch(f"/api/positions/{key}/", user="reader")
    assert comparable_data(one.json) == row
    page = server.fetch("/api/positions/?symbol=BTC/USDT", user="reader").json
    assert key in [each["position_id"] for each in page["results"]]
    other = server.fetch("/api/positions/?symbol=ETH/USDT", user="reader").json
    assert key not in [each["position_id"] for each in other["results"]]


def test_position_that_is_not_there_is_a_404(server: Server) -> None:
    for key in ("00000000-0000-0000-0000-000000000000", "nonsense"):
        answer = server.fetch(f"/api/positions/{key}/", user="operator")
        assert answer.status == 404, answer.body
        assert answer.json["code"].endswith("not_found")


async def test_events_are_read_page_by_page_as_the_wire_has_them(server: Server) -> None:
    await catch_up(server)
    since = server.fetch("/api/events/?since=0", user="operator").json["head"]
    server.desk.call("publish_logs_at_once", count=PAGE + 10, characters=20)
    async with await Client.connect(server, {"snapshot": 0}) as client:
        await client.receive()
        await catch_up(server)
        server.desk.publish_log("the last")
        last = await client.receive_type("system_log")
        while last["data"]["message"] != "the last":
            last = await client.receive_type("system_log")
    first_page = server.fetch(f"/api/events/?since={since}", user="operator").json
    second_page = server.fetch(f"/api/events/?since={first_page['next']}", user="operator").json
    results = first_page["results"] + second_page["results"]
    assert [each["seq"] for each in results] == list(range(since + 1, since + PAGE + 12))
    assert (len(first_page["results"]), second_page["next"]) == (PAGE, None)
    assert results[-1] == last
    assert second_page["head"] == last["seq"]


async def test_events_are_those_that_the_user_may_see(server: Server) -> None:
    server.desk.publish_log("not for the reader")
    key = server.desk.call("open_position")
    await catch_up(server)
    answer = server.fetch("/api/events/", user="reader").json
    while answer["next"] is not None:
        answer = server.fetch(f"/api/events/?since={answer['next']}", user="reader").json
    assert {each["type"] for each in answer["results"]} == {"position_update"}
    assert answer["results"][-1]["data"]["position_id"] == key
    denied = server.fetch("/api/events/?feeds=system_log", user="reader")
    assert (denied.status, denied.json["code"]) == (403, "permission_denied")
    unknown = server.fetch("/api/events/?feeds=weather", user="operator")
    assert (unknown.status, unknown.json["code"]) == (400, "invalid_value")


@pytest.mark.parametrize("since", ["-1", "x", "1.5", "9" * 40])
def test_bad_place_in_the_stream_is_a_400(server: Server, since: str) -> None:
    answer = server.fetch(f"/api/events/?since={since}", user="operator")
    assert (answer.status, answer.json["code"]) == (400, "invalid_value")


async def test_events_that_are_gone_are_a_410(start_server: StartServer) -> None:
    server = start_server()
    server.desk.publish_log("gone")
    server.desk.publish_log("kept")
    await catch_up(server)
    head = server.database.row("SELECT head FROM realtime_stream")["head"]
    server.database.execute(f"DELETE FROM realtime_event WHERE seq < {head}")
    server.database.execute(f"UPDATE realtime_stream SET floor = {head}")
    answer = server.fetch(f"/api/events/?since={head - 2}", user="operator")
    assert (answer.status, answer.json["code"]) == (410, "history_expired")
    assert server.fetch("/api/events/?since=0", user="operator").status == 410
    kept = server.fetch(f"/api/events/?since={head - 1}", user="operator").json
    assert [each["data"]["message"] for each in kept["results"]] == ["kept"]


def test_writing_methods_are_refused_where_there_is_only_reading(server: Server) -> None:
    answer = server.fetch("/api/events/", method="POST", user="admin", body="")
    assert answer.status == 405
