"""Coming back: what was missed, or the reason why a snapshot takes its place."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import Client, Message, Query, catch_up
from tests.e2e.support.servers import Server

REPLAY_EVENTS = 5


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Server:
    """One that replays little, so that a test can miss too much."""
    return start_server(REALTIME_REPLAY_EVENTS=str(REPLAY_EVENTS))


async def leave_after_snapshot(server: Server) -> dict[str, str | int]:
    """Connect, and return what a resume presents."""
    await catch_up(server)
    async with await Client.connect(server) as client:
        greeting = await client.receive()
        await client.receive_type("snapshot")
    return {
        "stream": greeting["stream"],
        "since": greeting["seq"],
        "subscription": greeting["subscription"],
    }


async def come_back(
    server: Server, ticket: Query, *, user: str = "operator"
) -> tuple[Message, Message]:
    """Connect; the greeting and what comes after it."""
    async with await Client.connect(server, ticket, user=user) as client:
        return await client.receive(), await client.receive()


async def test_nothing_missed_goes_on_live(server: Server) -> None:
    ticket = await leave_after_snapshot(server)
    greeting, following = await come_back(server, ticket)
    assert greeting["resume"] == "live"
    assert greeting["seq"] == int(ticket["since"])
    assert following["type"] == "heartbeat"


async def test_missed_events_are_replayed_in_order(server: Server) -> None:
    ticket = await leave_after_snapshot(server)
    for text in ("one", "two", "three"):
        server.desk.publish_log(text)
    await catch_up(server)
    async with await Client.connect(server, ticket) as client:
        greeting = await client.receive()
        events = [await client.receive() for _ in range(3)]
        server.desk.publish_log("four")
        events.append(await client.receive_type("system_log"))
    assert greeting["resume"] == "replay"
    assert greeting["seq"] == int(ticket["since"]) + 3
    assert [event["data"]["message"] for event in events] == ["one", "two", "three", "four"]
    assert [event["seq"] - int(ticket["since"]) for event in events] == [1, 2, 3, 4]


async def test_heartbeat_is_a_place_to_resume_from(server: Server) -> None:
    async with await Client.connect(server, {"feeds": "position_update"}) as client:
        greeting = await client.receive()
        server.desk.publish_log("not for this client")
        beat = await client.receive_type("heartbeat")
        while beat["seq"] == greeting["seq"]:
            beat = await client.receive_type("heartbeat")
    ticket = {
        "feeds": "position_update",
        "stream": greeting["stream"],
        "since": beat["seq"],
        "subscription": greeting["subscription"],
    }
    again, _ = await come_back(server, ticket)
    assert again["resume"] == "live"


async def test_too_much_missed_is_expired(server: Server) -> None:
    ticket = await leave_after_snapshot(server)
    for number in range(REPLAY_EVENTS + 1):
        server.desk.publish_log(str(number))
    await catch_up(server)
    greeting, following = await come_back(server, ticket)
    assert (greeting["resume"], greeting["resume_reason"]) == ("snapshot", "history_expired")
    assert following["type"] == "snapshot"


async def test_other_stream_is_unknown(server: Server) -> None:
    ticket = await leave_after_snapshot(server)
    greeting, following = await come_back(server, {**ticket, "stream": "00000000"})
    assert (greeting["resume"], greeting["resume_reason"]) == ("snapshot", "unknown_stream")
    assert following["type"] == "snapshot"


async def test_number_that_was_never_given_is_ahead(server: Server) -> None:
    ticket = await leave_after_snapshot(server)
    greeting, following = await come_back(server, {**ticket, "since": int(ticket["since"]) + 1000})
    assert (greeting["resume"], greeting["resume_reason"]) == ("snapshot", "ahead_of_stream")
    assert following["type"] == "snapshot"


@pytest.mark.parametrize(
    "change", [{"feeds": "system_log"}, {"symbol": "BTC/USDT"}, {"level": "INFO"}]
)
async def test_other_feeds_or_filters_are_another_subscription(
    server: Server, change: dict[str, str]
) -> None:
    ticket = await leave_after_snapshot(server)
    greeting, following = await come_back(server, {**ticket, **change})
    assert (greeting["resume"], greeting["resume_reason"]) == ("snapshot", "subscription_changed")
    assert following["type"] == "snapshot"


async def test_same_feeds_of_another_user_are_the_same_subscription(server: Server) -> None:
    ticket = await leave_after_snapshot(server)
    greeting, _ = await come_back(server, ticket, user="admin")
    assert greeting["resume"] == "live"


async def test_resume_that_fails_gives_a_snapshot_even_to_who_wants_none(server: Server) -> None:
    ticket = await leave_after_snapshot(server)
    greeting, following = await come_back(server, {**ticket, "stream": "x", "snapshot": 0})
    assert greeting["resume"] == "snapshot"
    assert following["type"] == "snapshot"


async def test_resume_after_a_restart_reads_the_log(server: Server) -> None:
    ticket = await leave_after_snapshot(server)
    server.desk.publish_log("before the restart")
    await catch_up(server)
    server.stop()
    server.desk.publish_log("while nobody serves")
    server.start()
    async with await Client.connect(server, ticket) as client:
        greeting = await client.receive()
        events = [await client.receive(), await client.receive()]
    assert greeting["resume"] == "replay"
    assert [event["data"]["message"] for event in events] == [
        "before the restart",
        "while nobody serves",
    ]


async def test_pruned_events_are_expired(server: Server) -> None:
    ticket = await leave_after_snapshot(server)
    server.desk.publish_log("gone")
    server.desk.publish_log("kept")
    server.stop()
    # As `prune` leaves it: the floor says what can still be replayed.
    first_gone = int(ticket["since"]) + 1
    server.database.execute(f"DELETE FROM realtime_event WHERE seq <= {first_gone}")
    server.database.execute(f"UPDATE realtime_stream SET floor = {first_gone + 1}")
    server.start()
    greeting, following = await come_back(server, ticket)
    assert (greeting["resume"], greeting["resume_reason"]) == ("snapshot", "history_expired")
    assert [log["message"] for log in following["data"]["system_log"]] == ["kept"]


async def test_restored_database_is_another_stream(server: Server) -> None:
    ticket = await leave_after_snapshot(server)
    server.stop()
    server.database.execute("DELETE FROM realtime_stream")
    server.start()
    greeting, _ = await come_back(server, ticket)
    assert (greeting["resume"], greeting["resume_reason"]) == ("snapshot", "unknown_stream")
    assert greeting["stream"] != ticket["stream"]
