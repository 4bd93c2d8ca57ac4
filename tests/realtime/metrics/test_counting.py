"""Each metric rises for what it stands for: the real hub and consumer, read as a scrape reads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django import Settings

from realtime import hub, log
from realtime.auth.grants import Grants
from realtime.system_log import publish_log
from realtime.testing import flush
from tests.realtime.metrics.scrapes import Rise, Scrape
from tests.realtime.people import make_user
from tests.realtime.serving import Connection, Server

FEED = "system_log"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server({"all": Grants("all", "user:1", None, {FEED: ()})})
    yield made
    made.stop()


def connect(server: Server, **query: str) -> Connection:
    return Connection(server, token="all", query=query)


def write_lines(*texts: str) -> None:
    for text in texts:
        publish_log(level="INFO", message=text, module="test")
    flush()


def test_connections_rise_and_fall(server: Server) -> None:
    rise = Rise()
    first, second = connect(server), connect(server, feeds=FEED, level="ERROR")
    now = Scrape()
    assert (now("connections"), now("audiences")) == (2, 2)
    assert rise("connections_opened_total") == 2
    first.disconnect()
    assert Scrape()("connections") == 1
    second.disconnect()
    assert Scrape()("connections") == 0
    assert rise("closes_total", reason="left") == 2


def test_events_bytes_and_latencies_are_counted(server: Server) -> None:
    connections = [connect(server) for _ in range(3)]
    for connection in connections:
        connection.receive()
    rise = Rise()
    write_lines("one", "two")
    frames = [frame for connection in connections for frame in connection.outlet.frames]
    assert rise("events_sent_total", feed=FEED) == len(frames) == 6
    assert rise("bytes_sent_total", feed=FEED) == sum(frame.size for frame in frames)
    # Once for each event, not for each client.
    assert rise("commit_to_send_seconds_count") == 2
    assert 0 <= rise("commit_to_send_seconds_sum") < 60
    assert Scrape()("hub_lag_events") == 0


def test_snapshots_are_counted(server: Server) -> None:
    rise = Rise()
    connection = connect(server)
    assert rise("snapshots_sent_total") == 1
    assert rise("snapshot_bytes_total") == connection.outlet.frames[-1].size


def test_slow_client_shows_and_its_backlog_is_dropped(server: Server, settings: Settings) -> None:
    settings.REALTIME_BUDGET_BYTES = 4096
    connection = connect(server)
    rise = Rise()
    connection.block()
    write_lines("x" * 500, "x" * 500)
    now = Scrape()
    assert now("clients_blocked") == 1
    assert now("waiting_bytes") > 1000
    write_lines(*["x" * 500] * 10)
    assert rise("resyncs_total", reason="overflow") == 1
    assert rise("events_dropped_total", reason="resync") == 12
    assert Scrape()("waiting_bytes") == 0
    connection.make_room()
    assert Scrape()("clients_blocked") == 0


def test_rate_drops_what_a_newer_event_replaces(server: Server) -> None:
    connection = connect(server, max_rate="0.1")
    rise = Rise()
    for text in ("flushed at once", "held", "held, too"):
        write_lines(text)
    # Lines have no key: nothing replaces them, and they go with their connection.
    assert rise("events_dropped_total", reason="max_rate") == 0
    connection.disconnect()
    assert rise("events_dropped_total", reason="closed") == 2


@pytest.mark.parametrize(
    ("stream", "lost", "outcome", "reason"),
    [
        ("", 0, "live", ""),
        ("", 1, "replay", ""),
        ("other", 0, "snapshot", "unknown_stream"),
    ],
)
def test_resumes_are_counted_by_their_outcome(
    server: Server, stream: str, lost: int, outcome: str, reason: str
) -> None:
    write_lines("there from the start")
    first = connect(server)
    established = first.receive()[0]
    first.disconnect()
    write_lines(*["missed"] * lost)
    rise = Rise()
    second = connect(
        server,
        stream=stream or established["stream"],
        since=str(established["seq"]),
        subscription=established["subscription"],
    )
    assert second.receive()[0]["resume"] == outcome
    assert rise("resumes_total", outcome=outcome, reason=reason) == 1
    assert rise("events_sent_total", feed=FEED) == lost


@pytest.mark.parametrize("reason", ["new_stream", "fell_behind", "hub_error"])
def test_reload_is_a_resync_of_everybody_by_its_reason(server: Server, reason: str) -> None:
    connections = [connect(server) for _ in range(2)]
    serving = hub.current()
    assert serving is not None
    rise = Rise()
    if reason == "new_stream":
        log.new_stream()
    elif reason == "fell_behind":
        # Below the floor: the history in between is gone.
        serving._cursor = -1
    else:
        server.call(lambda: serving._start_afresh(RuntimeError("a test's")))
    flush()
    assert rise("resyncs_total", reason=reason) == 2
    assert [each.receive()[-1]["type"] for each in connections] == ["snapshot"] * 2


def test_hole_is_counted_when_it_is_healed(server: Server) -> None:
    connection = connect(server)
    write_lines("one", "two", "three")
    identity, head = log.position().identity, log.position().head
    events = log.read(head - 3, 3)
    serving = hub.current()
    assert serving is not None
    serving._cursor = head - 3
    rise = Rise()
    server.call(lambda: serving.hear(identity, head, events[1:]))
    assert rise("heals_total") == 1
    assert connection.is_writable


def test_commands_that_fail_are_counted_by_code(server: Server) -> None:
    connection = connect(server)
    rise = Rise()
    connection.send(action="nonsense")
    connection.send(action="subscribe", feeds=["nonsense"])
    connection.send(action="authenticate", token="not known")
    connection.send(action="ping")
    for code in ("unknown_action", "unknown_feed", "invalid_token"):
        assert rise("command_errors_total", code=code) == 1
    assert rise("auth_failures_total", code="invalid_token") == 1


def test_client_that_misbehaves_is_counted_among_the_closes(server: Server) -> None:
    connection = connect(server)
    rise = Rise()
    for _ in range(30):
        connection.send(action="nonsense")
    assert rise("closes_total", reason="too_many_errors") == 1
    assert rise("command_errors_total", code="too_many_errors") == 1
    connection.disconnect()
    # It was closed, and did not leave.
    assert rise("closes_total", reason="left") == 0


def test_refused_client_is_counted(server: Server) -> None:
    rise = Rise()
    Connection(server, token="not known").disconnect()
    assert rise("auth_failures_total", code="invalid_token") == 1
    assert rise("closes_total", reason="invalid_token") == 1
    assert rise("connections_opened_total") == 0


def test_failures_over_rest_are_counted(client: Client) -> None:
    make_user("reader")
    rise = Rise()
    client.get("/api/events/")
    client.get("/api/events/", headers={"Authorization": "Token nonsense"})
    client.post(
        "/api/token/", {"username": "reader", "password": "no"}, content_type="application/json"
    )
    for code in ("not_authenticated", "invalid_token", "invalid_credentials"):
        assert rise("auth_failures_total", code=code) == 1


def test_guesses_that_are_not_even_looked_at_are_counted(
    client: Client, settings: Settings
) -> None:
    settings.REALTIME_LOGIN_ATTEMPTS = 1
    rise = Rise()
    for _ in range(3):
        client.post(
            "/api/token/", {"username": "who", "password": "no"}, content_type="application/json"
        )
    assert rise("auth_failures_total", code="invalid_credentials") == 1
    assert rise("auth_failures_total", code="throttled") == 2
