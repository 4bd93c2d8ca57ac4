"""Connecting: the greeting, the snapshot, what follows it, the heartbeat, the commands."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.e2e.support.clients import Client, Message, catch_up
from tests.e2e.support.processes import run_manage
from tests.e2e.support.servers import HEARTBEAT_SECONDS, Server
from tests.e2e.support.times import seconds_between

FEEDS = {"position_update", "equity_update", "risk_status_update", "system_log"}
KEYS = {
    "position_update": "position_id",
    "equity_update": "account",
    "risk_status_update": "account",
    "system_log": None,
}
BEATS = 5


async def test_greeting_says_what_the_connection_is(server: Server) -> None:
    async with await Client.connect(server) as client:
        greeting = await client.receive()
    assert greeting["type"] == "connection_established"
    assert greeting["message"] == "Connected to Stable Cash & Carry WebSocket server"
    assert greeting["protocol"] == 1
    assert greeting["user"] == "operator"
    assert set(greeting["feeds"]) == FEEDS
    assert greeting["keys"] == KEYS
    assert greeting["filters"] == {}
    assert greeting["max_rate"] is None
    assert greeting["heartbeat_seconds"] == HEARTBEAT_SECONDS
    assert greeting["resume"] == "snapshot"
    assert "resume_reason" not in greeting
    assert all(isinstance(greeting[name], str) for name in ("connection_id", "stream"))


async def test_every_connection_has_an_id_of_its_own(server: Server) -> None:
    async with await Client.connect(server) as one, await Client.connect(server) as other:
        greetings = [await one.receive(), await other.receive()]
    assert greetings[0]["connection_id"] != greetings[1]["connection_id"]
    assert greetings[0]["subscription"] == greetings[1]["subscription"]


@pytest.mark.parametrize("path", ["/ws", "/ws/"])
async def test_snapshot_then_live_events_without_a_gap(server: Server, path: str) -> None:
    server.desk.publish_log(f"before {path}")
    await catch_up(server)
    async with await Client.connect(server, path=path) as client:
        greeting, snapshot = await client.receive(), await client.receive()
        server.desk.publish_log(f"after {path}")
        event = await client.receive_type("system_log")
    assert snapshot["type"] == "snapshot"
    assert (snapshot["part"], snapshot["parts"], snapshot["dropped"]) == (1, 1, {})
    assert (snapshot["stream"], snapshot["seq"]) == (greeting["stream"], greeting["seq"])
    assert snapshot["data"].keys() == FEEDS
    assert snapshot["data"]["system_log"][-1]["message"] == f"before {path}"
    assert event["seq"] == snapshot["seq"] + 1
    assert event["action"] == "created"
    assert event["data"].keys() >= {"level", "module", "message", "timestamp"}
    assert event["data"]["message"] == f"after {path}"


async def test_every_other_path_is_refused(server: Server) -> None:
    answer = server.fetch("/ws/more", headers={"Connection": "Upgrade"})
    assert answer.status == 404


async def test_without_a_snapshot_events_are_live_at_once(server: Server) -> None:
    async with await Client.connect(server, {"snapshot": 0}) as client:
        greeting = await client.receive()
        server.desk.publish_log("live")
        event = await client.receive()
        while event["type"] == "heartbeat":
            event = await client.receive()
    assert greeting["resume"] == "live"
    assert event["data"]["message"] == "live"
    assert event["seq"] == greeting["seq"] + 1


async def test_quiet_connection_beats(server: Server) -> None:
    async with await Client.connect(server) as client:
        snapshot = await client.receive_type("snapshot")
        beats = [await client.receive() for _ in range(BEATS)]
    assert {beat["type"] for beat in beats} == {"heartbeat"}
    assert {beat["seq"] for beat in beats} == {snapshot["seq"]}
    assert "delayed" not in beats[-1]
    assert_beats_keep_their_time(beats)


async def test_busy_connection_beats_and_each_beat_says_what_was_sent(server: Server) -> None:
    beats: list[Message] = []
    async with await Client.connect(server, {"snapshot": 0}) as client:
        seq = (await client.receive())["seq"]
        while len(beats) < BEATS:
            server.desk.publish_log("busy")
            message = await client.receive_type("system_log")
            assert message["seq"] == seq + 1
            seq += 1
            beats.append(await client.receive_type("heartbeat"))
            assert beats[-1]["seq"] == seq
    assert len({beat["seq"] for beat in beats}) == BEATS


def assert_beats_keep_their_time(beats: list[Message]) -> None:
    pauses = [seconds_between(one, next_) for one, next_ in pairwise(beats)]
    # A shared machine is late at times, and never early: the mean is what a client relies on.
    assert min(pauses) > HEARTBEAT_SECONDS * 0.5, pauses
    assert sorted(pauses)[len(pauses) // 2] < HEARTBEAT_SECONDS * 2, pauses


async def test_ping_is_answered_with_its_id(server: Server) -> None:
    async with await Client.connect(server) as client:
        for id_ in (8, "eight", None):
            pong = await client.ask({"action": "ping", "id": id_}, "pong")
            assert pong["id"] == id_


async def test_snapshot_on_command_is_the_state_again(server: Server) -> None:
    server.desk.publish_log("held")
    await catch_up(server)
    async with await Client.connect(server) as client:
        first = await client.receive_type("snapshot")
        again = await client.ask({"action": "snapshot", "id": 7}, "snapshot")
    assert again["id"] == 7
    assert again["data"] == first["data"]
    assert again["seq"] == first["seq"]


async def test_feeds_are_chosen_at_the_connect(server: Server) -> None:
    async with await Client.connect(
        server, {"feeds": "risk_status_update,position_update"}
    ) as client:
        greeting, snapshot = await client.receive(), await client.receive()
        server.desk.publish_log("not for this client")
        beat = await client.receive_type("heartbeat")
        while beat["seq"] == greeting["seq"]:
            message = await client.receive()
            assert message["type"] == "heartbeat", message
            beat = message
    assert set(greeting["feeds"]) == {"risk_status_update", "position_update"}
    assert snapshot["data"].keys() == {"risk_status_update", "position_update"}


async def test_unknown_feed_is_named_and_the_others_come(server: Server) -> None:
    async with await Client.connect(server, {"feeds": "system_log,weather"}) as client:
        greeting, error, snapshot = [await client.receive() for _ in range(3)]
    assert greeting["feeds"] == ["system_log"]
    assert (error["type"], error["code"], error["fatal"]) == ("error", "unknown_feed", False)
    assert "weather" in error["message"]
    assert snapshot["data"].keys() == {"system_log"}


async def test_feed_without_permission_is_named_and_the_others_come(server: Server) -> None:
    feeds = "system_log,position_update"
    async with await Client.connect(server, {"feeds": feeds}, user="reader") as client:
        greeting, error, snapshot = [await client.receive() for _ in range(3)]
    assert greeting["feeds"] == ["position_update"]
    assert (error["type"], error["code"], error["fatal"]) == ("error", "permission_denied", False)
    assert snapshot["data"].keys() == {"position_update"}


async def test_without_a_choice_come_the_feeds_that_the_user_may_view(server: Server) -> None:
    async with await Client.connect(server, user="reader") as client:
        greeting = await client.receive()
    assert greeting["feeds"] == ["position_update"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"max_rate": "often"}, "invalid_value"),
        ({"max_rate": "0"}, "invalid_value"),
        ({"since": "now"}, "invalid_value"),
        ({"snapshot": "maybe"}, "invalid_value"),
        ({"colour": "red"}, "unknown_filter"),
    ],
)
async def test_what_makes_no_sense_is_said_and_left_out(
    server: Server, query: dict[str, str], code: str
) -> None:
    async with await Client.connect(server, query) as client:
        greeting, error = await client.receive(), await client.receive()
        assert (error["type"], error["code"], error["fatal"]) == ("error", code, False)
        await client.receive_type("snapshot")
    assert greeting["resume"] == "snapshot"


@pytest.mark.parametrize("bad", ["{", "[]", '"ping"', "\\u0000"])
async def test_bad_json_is_answered_and_the_connection_goes_on(server: Server, bad: str) -> None:
    async with await Client.connect(server) as client:
        await client.send_raw(bad)
        error = await client.receive_type("error")
        assert (error["code"], error["fatal"]) == ("invalid_json", False)
        await client.ask({"action": "ping"}, "pong")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["realtime.v1"], "realtime.v1"),
        (["something.else", "realtime.v1"], "realtime.v1"),
        (["something.else"], None),
        (None, None),
    ],
)
async def test_only_our_subprotocol_is_echoed(
    server: Server, offered: list[str] | None, chosen: str | None
) -> None:
    async with await Client.connect(server, subprotocols=offered) as client:
        assert (await client.receive())["type"] == "connection_established"
        assert client.subprotocol == chosen


async def test_programs_of_today_work_unchanged(server: Server) -> None:
    """They connect with the token in the URL, switch on the type and read `message.data`."""
    token = server.tokens["operator"]
    url = server.database.url
    async with await Client.connect(server, {"token": token}, user=None) as client:
        await client.receive_type("snapshot")
        run_manage(url, "broadcast", "--test")
        seen: dict[str, Message] = {}
        while seen.keys() != FEEDS:
            message = await client.receive()
            if message["type"] in FEEDS:
                seen[message["type"]] = message["data"]
    position = seen["position_update"]
    assert position.keys() >= {"symbol", "status", "spot_entry_price", "unrealized_pnl"}
    assert seen["equity_update"].keys() >= {"total_equity", "peak_equity", "current_equity"}
    assert seen["risk_status_update"].keys() >= {"status", "message"}
    assert seen["system_log"].keys() >= {"level", "module", "message", "timestamp"}
