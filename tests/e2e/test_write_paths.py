"""Whatever way a row is written, what arrives is the row; what is rolled back never does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from tests.e2e.support.browsing import sign_in
from tests.e2e.support.clients import Client, Message, catch_up
from tests.e2e.support.processes import run_manage
from tests.e2e.support.published import comparable_data, read_position, read_published
from tests.e2e.support.seeding import ADMIN_PASSWORD
from tests.e2e.support.servers import Server

END = "the end of a test"


async def events_during(server: Server, write: Callable[[], object]) -> list[Message]:
    """Every event that a client hears of while `write` runs, without a hole between them."""
    await catch_up(server)
    async with await Client.connect(server, {"snapshot": 0}) as client:
        seq = (await client.receive())["seq"]
        await asyncio.to_thread(write)
        server.desk.publish_log(END)
        events: list[Message] = []
        while not events or events[-1]["data"].get("message") != END:
            message = await client.receive()
            if message["type"] != "heartbeat":
                events.append(message)
    # A rollback leaves no hole either.
    assert [event["seq"] for event in events] == list(range(seq + 1, seq + 1 + len(events)))
    return events[:-1]


def told(events: list[Message]) -> list[tuple[str, str]]:
    return [(event["type"], event["action"]) for event in events]


@pytest.fixture
def key(server: Server) -> str:
    """An open position's key."""
    opened: str = server.desk.call("open_position", strategy_id="before")
    return opened


@pytest.mark.parametrize(
    "action",
    [
        "save",
        "save_one_field_of_two_that_changed",
        "save_an_expression",
        "save_two_stale_instances",
        "save_more_decimals_than_a_column_holds",
    ],
)
async def test_saved_row_arrives_as_it_is(server: Server, key: str, action: str) -> None:
    before = read_position(server.database, key)
    events = await events_during(server, lambda: server.desk.call(action, key=key))
    assert set(told(events)) == {("position_update", "updated")}
    after = read_position(server.database, key)
    assert after != before
    assert comparable_data(events[-1]["data"]) == after


async def test_each_stale_save_publishes_what_the_row_was_then(server: Server, key: str) -> None:
    events = await events_during(
        server, lambda: server.desk.call("save_two_stale_instances", key=key)
    )
    seen = [(event["data"]["strategy_id"], event["data"]["close_reason"]) for event in events]
    assert seen == [("of the one", ""), ("of the one", "of the other")]


async def test_created_row_arrives(server: Server) -> None:
    made: list[str] = []
    events = await events_during(server, lambda: made.append(server.desk.call("create")))
    assert told(events) == [("position_update", "created")]
    assert comparable_data(events[0]["data"]) == read_position(server.database, made[0])


async def test_deleted_row_arrives_as_it_was(server: Server, key: str) -> None:
    before = read_position(server.database, key)
    events = await events_during(server, lambda: server.desk.call("delete", key=key))
    assert told(events) == [("position_update", "deleted")]
    assert comparable_data(events[0]["data"]) == before
    assert key not in read_published(server.database)["position_update"]


async def test_closed_position_arrives_whole(server: Server, key: str) -> None:
    events = await events_during(server, lambda: server.desk.call("close_position", key=key))
    assert told(events) == [("position_update", "closed")]
    assert comparable_data(events[0]["data"]) == read_position(server.database, key)


async def test_rows_that_a_cascade_deletes_are_told(server: Server) -> None:
    server.desk.call("make_account", name="cascade")
    events = await events_during(server, lambda: server.desk.call("delete_account", name="cascade"))
    assert set(told(events)) == {
        ("equity_update", "deleted"),
        ("risk_status_update", "deleted"),
    }
    assert {event["data"]["account"] for event in events} == {"cascade"}
    held = read_published(server.database)
    assert "cascade" not in held["equity_update"]
    assert "cascade" not in held["risk_status_update"]


async def test_rows_written_in_bulk_arrive_once_for_each_write(server: Server) -> None:
    keys = sorted(server.desk.call("open_position") for _ in range(3))
    events = await events_during(server, lambda: server.desk.call("write_in_bulk", keys=keys))
    assert told(events) == [("position_update", "updated")] * 6
    assert [event["data"]["position_id"] for event in events] == keys * 2
    for event in events[3:]:
        row = read_position(server.database, event["data"]["position_id"])
        assert comparable_data(event["data"]) == row


async def test_rows_deleted_in_bulk_arrive_once_each(server: Server) -> None:
    keys = [server.desk.call("open_position") for _ in range(3)]
    events = await events_during(server, lambda: server.desk.call("delete_in_bulk", keys=keys))
    assert told(events) == [("position_update", "deleted")] * 3
    assert {event["data"]["position_id"] for event in events} == set(keys)


async def test_savepoint_that_is_rolled_back_leaves_nothing(server: Server, key: str) -> None:
    events = await events_during(
        server, lambda: server.desk.call("write_in_nested_transactions", key=key)
    )
    strategies = [event["data"].get("strategy_id") for event in events]
    assert strategies == ["outer", "kept", None]
    assert events[-1]["data"]["message"] == "in the same transaction"
    assert comparable_data(events[1]["data"]) == read_position(server.database, key)


@pytest.mark.parametrize("action", ["write_and_roll_back", "fail_in_the_database"])
async def test_transaction_that_is_rolled_back_leaves_nothing(
    server: Server, key: str, action: str
) -> None:
    before = read_published(server.database)
    assert await events_during(server, lambda: server.desk.call(action, key=key)) == []
    after = read_published(server.database)
    assert after["position_update"] == before["position_update"]
    assert after["equity_update"] == before["equity_update"]


async def test_asynchronous_writes_arrive(server: Server, key: str) -> None:
    made: list[str] = []
    events = await events_during(
        server, lambda: made.append(server.desk.call("write_asynchronously", key=key))
    )
    assert [(event["action"], event["data"]["position_id"]) for event in events] == [
        ("created", made[0]),
        ("updated", key),
        ("deleted", made[0]),
    ]
    assert comparable_data(events[1]["data"]) == read_position(server.database, key)


async def test_decisions_about_risk_arrive(server: Server) -> None:
    server.desk.call("open_position")
    events = await events_during(server, lambda: server.desk.call("pause_and_resume"))
    assert [event["data"]["status"] for event in events] == ["soft_pause", "normal"]
    status = read_published(server.database)["risk_status_update"]
    assert isinstance(status, dict)
    assert comparable_data(events[-1]["data"]) == status["default"]


async def test_edit_in_the_admin_arrives(server: Server, key: str) -> None:
    browser = sign_in(server, "admin", ADMIN_PASSWORD)
    path = f"/admin/trading/position/{key}/change/"
    fields = form_fields(browser.get(path).body)
    fields |= {"strategy_id": "by hand", "spot_current_price": "45500.5"}

    def edit() -> None:
        answer = browser.post(path, fields)
        assert answer.status == 302, answer.body

    events = await events_during(server, edit)
    assert told(events) == [("position_update", "updated")]
    row = read_position(server.database, key)
    assert row["strategy_id"] == "by hand"
    assert comparable_data(events[0]["data"]) == row


def form_fields(page: str) -> dict[str, str]:
    """The inputs of a page's form with their present values."""
    inputs = [
        dict(re.findall(r'(\w[\w-]*)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]*", page)
    ]
    return {
        field["name"]: field.get("value", "")
        for field in inputs
        if field.get("type") in {"text", "number", "hidden"} and "name" in field
    }


async def test_deletion_in_the_admin_arrives(server: Server, key: str) -> None:
    browser = sign_in(server, "admin", ADMIN_PASSWORD)

    def delete() -> None:
        answer = browser.post(f"/admin/trading/position/{key}/delete/", {"post": "yes"})
        assert answer.status == 302, answer.body

    events = await events_during(server, delete)
    assert told(events) == [("position_update", "deleted")]


async def test_writes_in_the_shell_arrive(server: Server, key: str) -> None:
    code = (
        "from trading.models import Position; "
        f"p = Position.objects.get(pk='{key}'); p.strategy_id = 'from the shell'; p.save()"
    )
    events = await events_during(
        server, lambda: run_manage(server.database.url, "shell", "-c", code)
    )
    assert told(events) == [("position_update", "updated")]
    assert comparable_data(events[0]["data"]) == read_position(server.database, key)


async def test_broadcasts_arrive_before_the_command_returns_or_soon_after(server: Server) -> None:
    data = '{"position_id": "p-1", "symbol": "BTC/USDT"}'

    def broadcast() -> None:
        url = server.database.url
        run_manage(url, "broadcast", "--feed", "position_update", "--data", data)
        run_manage(url, "broadcast", "--log", "WARNING", "look")

    events = await events_during(server, broadcast)
    assert [event["data"].get("message") for event in events] == [None, "look"]
    assert events[0]["data"] == {"position_id": "p-1", "symbol": "BTC/USDT"}
    assert events[1]["data"]["level"] == "WARNING"
