"""One connection from its handshake to its close: real consumer, session, hub, log; no socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from django.db import InterfaceError, OperationalError
from pytest_django import Settings

from realtime import consumers, hub, log, missed, relay
from realtime.auth.credentials import Credentials
from realtime.auth.grants import Grants
from realtime.consumers import RealtimeConsumer
from realtime.subscriptions import field_values
from realtime.system_log import publish_log
from realtime.testing import flush
from tests.realtime.events import append, empty_log, entry
from tests.realtime.serving import Connection, Server

pytestmark = pytest.mark.django_db(transaction=True)

ALL = ("position_update", "system_log")
GRANTS = {
    "ALL": Grants("operator", "user:1", None, dict.fromkeys(ALL, ())),
    "SECOND": Grants(
        "second",
        "user:2",
        None,
        {"position_update": field_values({"account": ["second"]})},
    ),
}


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    # Nothing beats between two steps of a test.
    settings.REALTIME_HEARTBEAT_SECONDS = 3600.0
    empty_log()
    running = Server(GRANTS)
    yield running
    running.stop()


def say(text: str = "hello", *, level: str = "INFO") -> None:
    publish_log(level=level, message=text, module="tests")


def position(key: str, **values: Any) -> None:
    append(
        entry(
            key,
            feed="position_update",
            data={"position_id": key, "account": "default", **values},
            filter_fields=("account", "symbol"),
        )
    )


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


def join(server: Server, token: str = "ALL", **query: str) -> tuple[Connection, dict[str, Any]]:
    """A connection after its greeting and what followed it; the greeting."""
    connection = Connection(server, token=token, query=query)
    greeting, *_ = connection.receive()
    assert greeting["type"] == "connection_established"
    return connection, greeting


def assert_is_told_unavailable(connection: Connection) -> None:
    (error,) = connection.receive()
    assert (error["code"], error["fatal"]) == ("unavailable", True)
    assert connection.outlet.closed == (1013, "unavailable")
    connection.disconnect()


def resume(greeting: dict[str, Any], since: int) -> dict[str, str]:
    return {
        "stream": greeting["stream"],
        "since": str(since),
        "subscription": greeting["subscription"],
    }


# Joining.


def test_newcomer_gets_the_greeting_the_state_and_then_events(server: Server) -> None:
    position("A")
    connection = Connection(server, token="ALL")
    greeting, snapshot = connection.receive()
    assert kinds([greeting, snapshot]) == ["connection_established", "snapshot"]
    assert (greeting["resume"], greeting["user"]) == ("snapshot", "operator")
    assert greeting["seq"] == snapshot["seq"] == 1
    assert [obj["position_id"] for obj in snapshot["data"]["position_update"]] == ["A"]
    say()
    flush()
    (event,) = connection.receive()
    assert (event["type"], event["seq"]) == ("system_log", 2)


def test_newcomer_may_do_without_a_snapshot(server: Server) -> None:
    say()
    connection = Connection(server, token="ALL", query={"snapshot": "0"})
    (greeting,) = connection.receive()
    assert (greeting["resume"], greeting["seq"]) == ("live", 1)


def test_stranger_is_told_why_and_closed(server: Server) -> None:
    connection = Connection(server, token="UNKNOWN")
    (error,) = connection.receive()
    assert (error["code"], error["fatal"]) == ("invalid_token", True)
    assert connection.outlet.closed == (1008, "invalid_token")
    connection.send(action="ping")
    assert connection.receive() == []
    connection.disconnect()


def test_what_was_wrong_in_the_query_is_noted_and_the_rest_served(server: Server) -> None:
    connection = Connection(
        server, token="ALL", query={"feeds": "system_log,nothing", "since": "x", "colour": "red"}
    )
    greeting, *notes, snapshot = connection.receive()
    assert greeting["feeds"] == ["system_log"]
    assert [note["code"] for note in notes] == ["invalid_value", "unknown_feed", "unknown_filter"]
    assert not any(note["fatal"] for note in notes)
    assert snapshot["type"] == "snapshot"


def test_filter_and_scope_hold_from_the_first_snapshot_on(server: Server) -> None:
    position("A", symbol="BTC", account="second")
    position("B", symbol="ETH", account="second")
    position("C", symbol="BTC")
    connection = Connection(server, token="SECOND", query={"symbol": "BTC"})
    _, snapshot = connection.receive()
    assert [obj["position_id"] for obj in snapshot["data"]["position_update"]] == ["A"]
    position("A", symbol="ETH", account="second")
    position("C", symbol="BTC", account="second")
    flush()
    assert [(event["action"], event["data"]) for event in connection.receive()] == [
        ("left", {"position_id": "A"}),
        ("updated", {"position_id": "C", "account": "second", "symbol": "BTC"}),
    ]


@pytest.mark.parametrize(
    ("limit", "words"),
    [("REALTIME_MAX_CONNECTIONS", "server"), ("REALTIME_MAX_CONNECTIONS_PER_USER", "user")],
)
def test_one_connection_too_many_is_refused(
    server: Server, settings: Settings, limit: str, words: str
) -> None:
    setattr(settings, limit, 1)
    first, _ = join(server)
    second = Connection(server, token="ALL")
    (error,) = second.receive()
    assert (error["code"], error["fatal"]) == ("too_many_connections", True)
    assert words in error["message"]
    assert second.outlet.closed == (1013, "too_many_connections")
    second.disconnect()
    first.disconnect()
    join(server)


def test_server_that_restarts_takes_nobody_in(server: Server) -> None:
    first, _ = join(server)
    serving = hub.current()
    assert serving is not None
    server.wait_for(serving.drain(deadline_seconds=0))
    (last,) = first.receive()
    assert last["type"] == "server_closing"
    assert 0.5 <= last["reconnect_after"] <= 5.0
    assert first.outlet.closed == (1012, "server_closing")
    second = Connection(server, token="ALL")
    (error,) = second.receive()
    assert error["code"] == "server_closing"
    first.disconnect()
    second.disconnect()


def test_server_that_cannot_read_its_log_says_so(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "STATE_SECONDS", 0.0)
    assert_is_told_unavailable(Connection(server, token="ALL"))


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, TimeoutError])
def test_client_whose_credentials_cannot_be_checked_is_told_to_come_back(
    server: Server, error: type[Exception]
) -> None:
    async def fail(credentials: Credentials) -> Grants:
        raise error

    # Undone before the server is, which has put its own in this place.
    with mock.patch.object(consumers, "authenticate", fail):
        assert_is_told_unavailable(Connection(server, token="ALL"))


def test_returning_client_does_not_wait_for_a_silent_log(
    server: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REALTIME_RING_EVENTS = 1
    first, greeting = join(server)
    for number in range(3):
        say(str(number))
    flush()
    first.disconnect()
    # Nobody reads the log for it.
    monkeypatch.setattr(relay, "turn", lambda: None)
    monkeypatch.setattr(consumers, "STATE_SECONDS", 0.0)
    assert_is_told_unavailable(Connection(server, token="ALL", query=resume(greeting, 0)))


# Resuming.


def test_what_was_missed_is_replayed_from_memory(server: Server) -> None:
    keeps_the_hub, greeting = join(server)
    for number in range(3):
        say(str(number))
    flush()
    keeps_the_hub.disconnect()
    connection = Connection(server, token="ALL", query=resume(greeting, 1))
    again, *events = connection.receive()
    assert (again["resume"], again["seq"]) == ("replay", 3)
    assert [event["seq"] for event in events] == [2, 3]


def test_what_memory_has_forgotten_is_replayed_from_the_log(
    server: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed, "PAGE_EVENTS", 2)
    settings.REALTIME_RING_EVENTS = 2
    first, greeting = join(server)
    for number in range(7):
        say(str(number))
    flush()
    first.disconnect()
    connection = Connection(server, token="ALL", query=resume(greeting, 0))
    again, *events = connection.receive()
    assert again["resume"] == "replay"
    assert [event["seq"] for event in events] == list(range(1, 8))


def test_after_a_restart_everything_missed_comes_from_the_log(server: Server) -> None:
    first, greeting = join(server)
    first.disconnect()
    server.restart()
    for number in range(3):
        say(str(number))
    connection = Connection(server, token="ALL", query=resume(greeting, 0))
    again, *events = connection.receive()
    assert again["resume"] == "replay"
    assert [event["seq"] for event in events] == [1, 2, 3]


def test_client_that_is_ahead_of_this_process_makes_it_catch_up(server: Server) -> None:
    """A rolling restart: another process has sent more than this one has read."""
    first, greeting = join(server)
    say("seen elsewhere")
    first.disconnect()
    if log.has_unnumbered():
        log.number(10)
    connection = Connection(server, token="ALL", query=resume(greeting, 1))
    again = connection.receive()[0]
    assert (again["resume"], again["seq"]) == ("live", 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stream": "other"}, "unknown_stream"),
        ({"subscription": "other"}, "subscription_changed"),
        ({"feeds": "system_log"}, "subscription_changed"),
        ({"since": "99"}, "ahead_of_stream"),
    ],
)
def test_resume_that_cannot_be_honoured_is_a_snapshot(
    server: Server, change: dict[str, str], reason: str
) -> None:
    first, greeting = join(server)
    first.disconnect()
    connection = Connection(server, token="ALL", query=resume(greeting, 0) | change)
    again, snapshot = connection.receive()
    assert (again["resume"], again["resume_reason"]) == ("snapshot", reason)
    assert snapshot["type"] == "snapshot"


@pytest.mark.parametrize("expired_by", ["pruning", "too many"])
def test_history_that_is_gone_is_a_snapshot(
    server: Server, settings: Settings, expired_by: str
) -> None:
    settings.REALTIME_RING_EVENTS = 1
    first, greeting = join(server)
    for number in range(60):
        say(str(number))
    flush()
    first.disconnect()
    if expired_by == "pruning":
        settings.REALTIME_HISTORY_EVENTS = 3
        log.prune()
    else:
        settings.REALTIME_REPLAY_EVENTS = 59
    connection = Connection(server, token="ALL", query=resume(greeting, 0) | {"snapshot": "0"})
    again, snapshot = connection.receive()
    assert (again["resume"], again["resume_reason"]) == ("snapshot", "history_expired")
    assert snapshot["seq"] == 60


# Commands.


def test_every_command_is_answered(server: Server) -> None:
    connection, _ = join(server)
    connection.send(action="ping", id=1)
    connection.send(action="snapshot", id=2)
    connection.send(action="explode", id=3)
    pong, snapshot, error = connection.receive()
    assert (pong["type"], pong["id"]) == ("pong", 1)
    assert (snapshot["type"], snapshot["id"]) == ("snapshot", 2)
    assert (error["code"], error["id"]) == ("unknown_action", 3)


def test_subscribing_is_answered_in_its_place_in_the_stream(server: Server) -> None:
    connection, _ = join(server, feeds="system_log")
    connection.block()
    say("before")
    flush()
    position("A")
    flush()
    connection.send(action="subscribe", id=7, feeds=["position_update"])
    position("B")
    say("after")
    flush()
    connection.make_room()
    before, subscribed, snapshot, *after = connection.receive()
    assert before["data"]["message"] == "before"
    assert (subscribed["type"], subscribed["id"], subscribed["seq"]) == ("subscribed", 7, 2)
    assert set(subscribed["feeds"]) == set(ALL)
    assert (snapshot["seq"], set(snapshot["data"])) == (2, {"position_update"})
    assert [event["seq"] for event in after] == [3, 4]


def test_unsubscribed_feed_is_silent(server: Server) -> None:
    connection, _ = join(server)
    connection.send(action="unsubscribe", id=7, feeds=["system_log"])
    (subscribed,) = connection.receive()
    assert subscribed["feeds"] == ["position_update"]
    say()
    position("A")
    flush()
    assert [event["seq"] for event in connection.receive()] == [2]


def test_binary_frame_closes(server: Server) -> None:
    connection, _ = join(server)
    connection._put({"type": "websocket.receive", "bytes": b"\x00"})
    connection._put({"type": "websocket.receive", "text": '{"action": "ping"}'})
    server.settle()
    assert connection.outlet.closed is not None
    assert connection.outlet.closed[0] == 1003
    assert connection.receive() == []
    connection.disconnect()


# The hub's part.


def test_connections_are_counted_and_forgotten(server: Server) -> None:
    first, _ = join(server)
    second, _ = join(server, "SECOND")
    serving = hub.current()
    assert serving is not None
    assert serving.connection_count == 2
    assert serving.connections_of("user:1") == 1
    first.disconnect()
    assert (serving.connection_count, serving.connections_of("user:1")) == (1, 0)
    second.disconnect()
    assert serving.connection_count == 0


def test_heartbeat_tells_where_the_stream_stands(server: Server) -> None:
    connection, _ = join(server)
    say()
    flush()
    connection.receive()
    serving = hub.current()
    assert serving is not None
    server.call(lambda: serving._beat(tuple(serving._members)))
    (heartbeat,) = connection.receive()
    assert (heartbeat["type"], heartbeat["seq"]) == ("heartbeat", 1)
    assert "delayed" not in heartbeat


def test_client_that_reads_nothing_for_long_is_closed(server: Server, settings: Settings) -> None:
    slow, _ = join(server)
    good, _ = join(server)
    slow.make_room(1)
    say()
    flush()
    slow.receive()
    serving = hub.current()
    assert serving is not None
    settings.REALTIME_TOO_SLOW_SECONDS = 0.5
    clock = slow_clock(serving)
    server.call(lambda: serving._beat(tuple(serving._members)))
    assert slow.outlet.closed is None
    clock.append(10.0)
    server.call(lambda: serving._beat(tuple(serving._members)))
    (error,) = slow.receive()
    assert (error["code"], error["fatal"]) == ("too_slow", True)
    assert slow.outlet.closed == (1013, "too_slow")
    assert good.outlet.closed is None
    slow.disconnect()


def slow_clock(serving: hub.Hub) -> list[float]:
    """Let each delivery's clock run ahead by what is appended."""
    ahead: list[float] = [0.0]
    for member in serving._members:
        clock = member.delivery._clock
        member.delivery._clock = lambda clock=clock: clock() + sum(ahead)  # type: ignore[misc]
    return ahead


def test_other_events_than_a_connect_are_no_connection() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "websocket.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        raise AssertionError(message)

    asyncio.run(RealtimeConsumer()({"type": "websocket"}, receive, send))
