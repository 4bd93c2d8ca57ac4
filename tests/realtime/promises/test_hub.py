"""The hub: no gap between snapshot and live, nothing twice, holes are read from the log."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from realtime import relay
from realtime.auth.grants import Grants
from realtime.frames import Frame
from realtime.members import Member
from tests.realtime.fakes import logged
from tests.realtime.promises.stage import IDENTITY, Stage, WatchedOutlet

HEAD = 7


@pytest.fixture
async def stage(own_feeds: None, monkeypatch: pytest.MonkeyPatch, db: None) -> AsyncIterator[Stage]:
    """A hub that stands at 7 and knows one object, of number 3."""
    everything = Grants("operator", "user:1", None, {"price": (), "notice": ()})
    made = Stage(everything, monkeypatch)
    made.load(logged(3), head=HEAD)
    yield made
    await made.stop()
    relay.stop()


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Each time that the relay was asked to look at the log."""
    found: list[bool] = []
    monkeypatch.setattr(relay, "wake", lambda: found.append(True))
    return found


def resume(welcome: dict[str, Any], *, since: int, **changes: str) -> dict[str, Any]:
    """What a client presents that had that greeting."""
    return {
        "stream": welcome["stream"],
        "since": since,
        "subscription": welcome["subscription"],
    } | changes


async def test_event_that_comes_while_a_client_joins_is_not_missed(stage: Stage) -> None:
    outlet = WatchedOutlet(lambda: stage.deliver(logged(8)))
    client = await stage.connect(outlet)
    found = [(message["type"], message["seq"]) for message in client.receive()]
    assert found == [("connection_established", 7), ("snapshot", 7), ("price", 8)]


async def test_event_that_comes_while_a_client_resumes_is_not_missed(stage: Stage) -> None:
    (welcome, _) = (await stage.connect()).receive()
    outlet = WatchedOutlet(lambda: stage.deliver(logged(8)))
    client = await stage.connect(outlet, **resume(welcome, since=7))
    assert client.receive_events() == [8]


async def test_returning_client_gets_exactly_what_it_missed(stage: Stage) -> None:
    (welcome, _) = (await stage.connect()).receive()
    stage.deliver(*(logged(seq) for seq in range(8, 13)))
    client = await stage.connect(**resume(welcome, since=9))
    (again, *replayed) = client.receive()
    assert again["resume"] == "replay"
    assert [message["seq"] for message in replayed] == [10, 11, 12]


async def test_client_that_missed_nothing_is_live(stage: Stage) -> None:
    (welcome, _) = (await stage.connect()).receive()
    client = await stage.connect(**resume(welcome, since=7))
    assert [message["resume"] for message in client.receive()] == ["live"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stream": "another"}, "unknown_stream"),
        ({"subscription": "another"}, "subscription_changed"),
        ({"feeds": "notice"}, "subscription_changed"),
        ({"venue": "north"}, "subscription_changed"),
    ],
    ids=["stream", "subscription", "feeds", "filter"],
)
async def test_returning_client_that_is_not_the_same_gets_a_snapshot(
    stage: Stage, changes: dict[str, str], reason: str
) -> None:
    (welcome, _) = (await stage.connect()).receive()
    stage.deliver(logged(8))
    client = await stage.connect(**resume(welcome, since=7, **changes))
    (again, snapshot) = client.receive()
    assert (again["resume"], again["resume_reason"]) == ("snapshot", reason)
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 8)


async def test_duplicate_of_the_layer_is_sent_once(stage: Stage, wakes: list[bool]) -> None:
    client = await stage.connect()
    stage.hear(logged(8), logged(9))
    stage.hear(logged(8), logged(9))
    stage.hear(logged(9), logged(10))
    stage.deliver(logged(9), logged(10))
    assert client.receive_events() == [8, 9, 10]
    assert wakes == []


@pytest.mark.parametrize("batch", [(9,), (8, 10), (9, 10)], ids=str)
async def test_batch_with_a_hole_waits_until_the_log_was_read(
    stage: Stage, wakes: list[bool], batch: tuple[int, ...]
) -> None:
    client = await stage.connect()
    client.receive()
    stage.hear(*(logged(seq) for seq in batch))
    assert client.receive() == []
    assert wakes == [True]
    stage.deliver(logged(8), logged(9), logged(10))
    assert client.receive_events() == [8, 9, 10]


@pytest.mark.parametrize("way", ["deliver", "hear"])
async def test_hub_that_could_not_apply_a_batch_reads_the_log_at_once(
    stage: Stage, wakes: list[bool], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    await stage.connect()

    def fail(member: Member, frames: Sequence[Frame]) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Member, "send", fail)
    with contextlib.suppress(ZeroDivisionError):
        getattr(stage, way)(logged(8))
    # No client has the event, and no heartbeat may say so.
    assert stage.hub.position != (IDENTITY, 8)
    assert wakes == [True]


async def test_batch_of_numbers_alone_is_read_from_the_log(stage: Stage, wakes: list[bool]) -> None:
    stage.hub.hear(IDENTITY, HEAD, [])
    assert wakes == []
    stage.hub.hear(IDENTITY, HEAD + 1, [])
    assert wakes == [True]


async def test_everybody_gets_the_state_when_the_hub_starts_from_another(stage: Stage) -> None:
    client = await stage.connect()
    client.receive()
    stage.load(logged(20, key="ETH"), head=21)
    (snapshot,) = client.receive()
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 21)
    assert snapshot["data"] == {"price": [{"instrument": "ETH"}], "notice": []}


async def test_state_of_another_stream_is_not_the_one_before_at_the_same_number(
    stage: Stage,
) -> None:
    first, _ = await stage.connect(), await stage.connect()
    first.receive()
    stage.load(logged(5, key="ETH"), head=HEAD)
    (snapshot,) = first.receive()
    assert snapshot["data"]["price"] == [{"instrument": "ETH"}]
    newcomer = await stage.connect()
    assert newcomer.receive()[-1]["data"]["price"] == [{"instrument": "ETH"}]


async def test_snapshot_is_the_state_as_of_its_number(stage: Stage) -> None:
    for _ in range(2):
        await stage.connect()
    stage.deliver(logged(8, key="ETH"))
    snapshot = (await stage.connect()).receive()[-1]
    assert snapshot["seq"] == 8
    assert snapshot["data"]["price"] == [{"instrument": "BTC"}, {"instrument": "ETH"}]


async def test_client_that_does_not_read_keeps_nobody_else_waiting(stage: Stage) -> None:
    slow, quick = await stage.connect(), await stage.connect()
    slow.outlet.block()
    quick.receive()
    stage.deliver(logged(8))
    stage.deliver(logged(9))
    assert quick.receive_events() == [8, 9]
