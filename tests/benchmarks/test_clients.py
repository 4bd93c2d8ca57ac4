"""The generator's clients notice whatever a real client would suffer from."""

from __future__ import annotations

import orjson
import pytest

from benchmarks.clients import Client, Ledger, Message, parse
from benchmarks.websocket import CLOSE, PING, PONG, Handshake
from realtime.frames import Frame
from tests.benchmarks.test_websocket import accepted


def wire(**message: object) -> bytes:
    return Frame(orjson.dumps(message)).wire


def snapshot(seq: int, *, part: int = 1, parts: int = 1) -> bytes:
    return wire(type="snapshot", seq=seq, part=part, parts=parts, data={})


def event(seq: int, strategy: str = "") -> bytes:
    return wire(type="position_update", seq=seq, event=seq, data={"strategy_id": strategy})


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def client(ledger: Ledger) -> Client:
    """A client whose snapshot was taken at 10."""
    handshake = Handshake(host="127.0.0.1:1", path="/ws", token="t")
    made = Client(handshake, ledger)
    assert made.receive(accepted(handshake.request) + snapshot(10), 0) == b""
    return made


def test_snapshot_makes_a_client_ready_with_its_last_part(ledger: Ledger) -> None:
    handshake = Handshake(host="127.0.0.1:1", path="/ws", token="t")
    client = Client(handshake, ledger)
    client.receive(accepted(handshake.request) + snapshot(7, part=1, parts=2), 0)
    assert (client.is_ready, ledger.ready) == (False, 0)
    client.receive(snapshot(7, part=2, parts=2), 0)
    assert (client.is_ready, ledger.ready, client.seq) == (True, 1, 7)


def test_events_in_order_leave_no_problem(client: Client, ledger: Ledger) -> None:
    client.receive(event(11) + event(12) + wire(type="heartbeat", seq=12), 0)
    assert (client.seq, ledger.problems) == (12, [])


@pytest.mark.parametrize("seq", [10, 12, 9])
def test_a_hole_a_double_and_a_step_back_are_problems(
    client: Client, ledger: Ledger, seq: int
) -> None:
    client.receive(event(seq), 0)
    assert ledger.problem_count == 1


def test_a_heartbeat_ahead_of_what_came_is_a_problem(client: Client, ledger: Ledger) -> None:
    client.receive(wire(type="heartbeat", seq=11), 0)
    assert ledger.problem_count == 1


def test_a_second_snapshot_counts_as_a_resync_and_sets_the_number(
    client: Client, ledger: Ledger
) -> None:
    client.receive(snapshot(20) + event(21), 0)
    assert (ledger.resyncs, client.seq, ledger.problem_count) == (1, 21, 0)


def test_changes_are_noted_when_they_are_received(client: Client, ledger: Ledger) -> None:
    client.receive(event(11, "change-5"), 1_000)
    client.receive(event(12, "somebody's"), 2_000)
    assert {change: list(times) for change, times in ledger.receipts.items()} == {5: [1_000]}


def test_pings_are_answered_and_a_close_is_a_problem(client: Client, ledger: Ledger) -> None:
    pong = client.receive(bytes((0x80 | PING, 2)) + b"hi", 0)
    assert pong[0] == 0x80 | PONG
    assert client.receive(bytes((0x80 | CLOSE, 2)) + b"\x03\xe8", 0)[0] == 0x80 | CLOSE
    assert ledger.problem_count == 1


def test_a_fragmented_message_is_put_together(client: Client, ledger: Ledger) -> None:
    text = orjson.dumps({"type": "heartbeat", "seq": 10})
    client.receive(bytes((0x01, 5)) + text[:5], 0)
    client.receive(bytes((0x80, len(text) - 5)) + text[5:], 0)
    assert (ledger.counts["heartbeat"], ledger.problem_count) == (1, 0)


def test_shared_messages_are_recognised_within_bounds(ledger: Ledger) -> None:
    for seq in range(2000):
        text = orjson.dumps({"type": "heartbeat", "seq": seq})
        assert ledger.read(text) is ledger.read(text)
    assert len(ledger._shared) <= 512


def test_parse_tells_events_from_other_messages() -> None:
    assert parse(b'{"type":"pong","id":1}') == Message("pong", 0)
    assert parse(b'{"type":"a","seq":3,"event":9,"data":{}}') == Message("event", 3)
