"""One connection's way out: order, budget, and the snapshot in place of a backlog."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import messages
from realtime.delivery import FULL_BUDGETS, WRITE_BYTES, Delivery, ResyncReason
from realtime.frames import Frame, encode
from realtime.live_state import Snapshot
from tests.realtime.fakes import TIMESTAMP, FakeClock, FakeOutlet, fixed_timestamp

BUDGET_BYTES = 40 * 1024


class Sender:
    """A delivery into a fake outlet, fed with numbered events; its stream stands at `seq`."""

    def __init__(self, *, part_bytes: tuple[int, ...] = (2,)) -> None:
        self.outlet = FakeOutlet()
        self.clock = FakeClock()
        self.seq = 0
        self.part_bytes = part_bytes
        self.delivery = Delivery(
            self.outlet,
            budget_bytes=BUDGET_BYTES,
            take_snapshot=self.take_snapshot,
            timestamp=fixed_timestamp,
            clock=self.clock,
        )

    def take_snapshot(self, dropped: Mapping[str, int] | None = None) -> Snapshot:
        parts = [{"price": [b'"%b"' % (b"n" * size)]} for size in self.part_bytes]
        return Snapshot(stream="s", seq=self.seq, parts=tuple(parts), dropped=dropped or {})

    def event(self, *, size: int = 0, tail: bool = False) -> Frame:
        self.seq += 1
        message = {"type": "event", "seq": self.seq, "is_tail": tail, "note": "n" * size}
        text = json.dumps(message)
        return Frame(text.encode(), seq=self.seq, tail_feed="notice" if tail else None)

    def push(self, count: int = 1, **event: Any) -> None:
        self.delivery.push([self.event(**event) for _ in range(count)])

    def reply(self, id: int) -> None:
        self.delivery.reply(messages.pong(timestamp=TIMESTAMP, id=id))

    def beat(self) -> None:
        self.delivery.beat(messages.heartbeat(timestamp=TIMESTAMP, seq=self.seq))

    def overflow(self, *, tail: bool = False) -> None:
        self.push(size=BUDGET_BYTES, tail=tail)

    def sent(self) -> list[Any]:
        """What was written since the last call, each message by what tells it apart."""
        names = []
        for message in self.outlet.take_messages():
            kind = message["type"]
            if kind == "snapshot":
                kind = f"snapshot {message['part']}/{message['parts']}"
            names.append((kind, message.get("seq", message.get("id"))))
        return names


@pytest.fixture
def sender() -> Sender:
    return Sender()


def test_writable_outlet_gets_each_push_in_one_write(sender: Sender) -> None:
    sender.push(3)
    assert sender.outlet.writes == 1
    assert sender.sent() == [("event", 1), ("event", 2), ("event", 3)]
    assert sender.delivery.waiting_bytes == 0


def test_batch_beyond_one_write_waits_within_the_budget_for_a_socket_that_is_full() -> None:
    sender = Sender()
    sender.outlet.make_room(1)
    sender.push(12, size=8 * 1024)
    assert sender.outlet.writes == 1
    assert sum(frame.size for frame in sender.outlet.frames) < 2 * WRITE_BYTES
    assert 0 < sender.delivery.waiting_bytes <= BUDGET_BYTES
    sender.outlet.make_room()
    assert sender.sent() == [("event", seq) for seq in range(1, 13)]


def test_batch_beyond_the_budget_is_a_snapshot_for_a_socket_that_is_full() -> None:
    sender = Sender()
    sender.outlet.make_room(1)
    sender.push(40, size=8 * 1024)
    assert sender.delivery.waiting_bytes == 0
    sender.outlet.make_room()
    assert sender.sent()[-1] == ("snapshot 1/1", 40)


def test_nothing_is_written_for_no_events(sender: Sender) -> None:
    sender.delivery.push([])
    assert sender.outlet.writes == 0


def test_what_waits_goes_out_in_order_when_the_socket_drains(sender: Sender) -> None:
    sender.outlet.block()
    sender.push(2)
    sender.reply(id=9)
    sender.delivery.snapshot(sender.take_snapshot())
    sender.push()
    assert sender.sent() == []
    assert sender.delivery.waiting_bytes > 0
    sender.outlet.make_room()
    assert sender.sent() == [
        ("event", 1),
        ("event", 2),
        ("pong", 9),
        ("snapshot 1/1", 2),
        ("event", 3),
    ]
    assert sender.delivery.waiting_bytes == 0


def test_nothing_overtakes_what_waits(sender: Sender) -> None:
    sender.outlet.block()
    sender.push(size=100)
    sender.push(size=100)
    sender.outlet.make_room(1)
    assert sender.sent() == [("event", 1), ("event", 2)]
    sender.push()
    sender.outlet.make_room(1)
    sender.reply(id=1)
    assert sender.sent() == [("event", 3)]
    sender.outlet.make_room()
    assert sender.sent() == [("pong", 1)]


def test_backlog_drains_in_writes_of_a_socket_buffer() -> None:
    sender = Sender(part_bytes=(WRITE_BYTES, WRITE_BYTES))
    sender.outlet.block()
    sender.delivery.snapshot(sender.take_snapshot())
    sender.outlet.make_room()
    assert sender.outlet.writes == 2
    assert sender.sent() == [("snapshot 1/2", 0), ("snapshot 2/2", 0)]


def test_backlog_within_the_budget_is_kept(sender: Sender) -> None:
    sender.outlet.block()
    sender.push(size=BUDGET_BYTES - 200)
    assert sender.delivery.waiting_bytes <= BUDGET_BYTES
    assert sender.delivery.resyncs == 0
    sender.outlet.make_room()
    assert sender.sent() == [("event", 1)]


def test_slow_client_gets_a_snapshot_instead_of_its_backlog(sender: Sender) -> None:
    sender.outlet.block()
    sender.push(2)
    sender.overflow()
    sender.push(5)
    assert sender.delivery.resyncs == 1
    assert sender.delivery.waiting_bytes == 0
    sender.outlet.make_room()
    assert sender.sent() == [("snapshot 1/1", 8)]
    sender.push()
    assert sender.sent() == [("event", 9)]


def test_writable_outlet_never_overflows(sender: Sender) -> None:
    sender.push(size=10 * BUDGET_BYTES)
    assert sender.sent() == [("event", 1)]
    assert sender.delivery.resyncs == 0


def test_dropped_counts_only_the_events_that_no_snapshot_brings_back(sender: Sender) -> None:
    sender.outlet.block()
    sender.push(2, tail=True)
    sender.push(3)
    sender.overflow()
    sender.push(4, tail=True)
    sender.outlet.make_room()
    (snapshot,) = sender.outlet.take_messages()
    assert snapshot["dropped"] == {"notice": 6}


def test_dropped_is_counted_anew_for_each_snapshot(sender: Sender) -> None:
    for expected in (1, 2):
        sender.outlet.block()
        sender.push(expected - 1, tail=True)
        sender.overflow(tail=True)
        sender.outlet.make_room()
        (snapshot,) = sender.outlet.take_messages()
        assert snapshot["dropped"] == {"notice": expected}


def test_answers_survive_an_overflow_and_stand_before_the_snapshot(sender: Sender) -> None:
    sender.outlet.block()
    sender.reply(id=1)
    sender.push()
    sender.overflow()
    sender.reply(id=2)
    sender.outlet.make_room()
    assert sender.sent() == [("pong", 1), ("pong", 2), ("snapshot 1/1", 2)]
    assert sender.delivery.waiting_bytes == 0


def test_resync_of_a_writable_client_is_sent_at_once(sender: Sender) -> None:
    sender.push()
    sender.delivery.resync(ResyncReason.NEW_STREAM)
    assert sender.sent() == [("event", 1), ("snapshot 1/1", 1)]


def test_snapshot_asked_for_while_one_is_due_is_that_one(sender: Sender) -> None:
    sender.outlet.block()
    sender.overflow()
    sender.delivery.snapshot(sender.take_snapshot())
    sender.outlet.make_room()
    assert sender.sent() == [("snapshot 1/1", 1)]


def test_events_wait_behind_the_parts_of_a_snapshot() -> None:
    sender = Sender(part_bytes=(WRITE_BYTES, WRITE_BYTES, 10))
    sender.outlet.make_room(1)
    sender.delivery.snapshot(sender.take_snapshot())
    assert sender.sent() == [("snapshot 1/3", 0)]
    sender.push()
    sender.outlet.make_room(1)
    assert sender.sent() == [("snapshot 2/3", 0)]
    sender.outlet.make_room()
    assert sender.sent() == [("snapshot 3/3", 0), ("event", 1)]


def test_snapshot_larger_than_the_budget_is_no_overflow() -> None:
    sender = Sender(part_bytes=(10 * BUDGET_BYTES,) * 3)
    sender.outlet.block()
    sender.delivery.snapshot(sender.take_snapshot())
    sender.push()
    assert sender.delivery.resyncs == 0
    sender.outlet.make_room()
    assert len(sender.sent()) == 4


def test_overflow_behind_half_a_snapshot_begins_another() -> None:
    sender = Sender(part_bytes=(WRITE_BYTES, 10))
    sender.outlet.make_room(1)
    sender.delivery.snapshot(sender.take_snapshot())
    assert sender.sent() == [("snapshot 1/2", 0)]
    sender.overflow()
    sender.outlet.make_room()
    assert sender.sent() == [("snapshot 1/2", 1), ("snapshot 2/2", 1)]


def test_replay_comes_before_what_happens_meanwhile(sender: Sender) -> None:
    sender.outlet.block()
    sender.delivery.replay([sender.event(size=BUDGET_BYTES), sender.event(size=BUDGET_BYTES)])
    sender.push()
    assert sender.delivery.resyncs == 0
    sender.outlet.make_room()
    assert sender.sent() == [("event", 1), ("event", 2), ("event", 3)]


def test_replay_of_nothing_is_nothing(sender: Sender) -> None:
    sender.outlet.block()
    sender.delivery.replay([])
    sender.outlet.make_room()
    assert sender.outlet.writes == 0


def test_replay_that_overflows_becomes_a_snapshot_and_is_counted(sender: Sender) -> None:
    sender.outlet.make_room(1)
    missed = [sender.event(size=WRITE_BYTES, tail=True) for _ in range(3)]
    sender.delivery.replay(missed)
    assert sender.sent() == [("event", 1)]
    sender.overflow()
    sender.outlet.make_room()
    (snapshot,) = sender.outlet.take_messages()
    assert (snapshot["seq"], snapshot["dropped"]) == (4, {"notice": 2})


def test_replay_for_a_client_that_needs_a_snapshot_is_left_out(sender: Sender) -> None:
    sender.outlet.block()
    sender.overflow()
    sender.delivery.replay([sender.event()])
    sender.outlet.make_room()
    assert sender.sent() == [("snapshot 1/1", 2)]


def test_heartbeat_is_sent_on_a_busy_connection_and_not_to_one_that_has_enough_to_read(
    sender: Sender,
) -> None:
    sender.push()
    sender.beat()
    assert sender.sent() == [("event", 1), ("heartbeat", 1)]
    sender.outlet.block()
    sender.beat()
    sender.push()
    sender.beat()
    sender.overflow()
    sender.beat()
    sender.outlet.make_room()
    assert sender.sent() == [("snapshot 1/1", 3)]
    sender.beat()
    assert sender.sent() == [("heartbeat", 3)]


def test_client_is_blocked_since_its_socket_took_the_last_write(sender: Sender) -> None:
    sender.outlet.make_room(1)
    assert sender.delivery.blocked_seconds() == 0
    sender.push()
    sender.clock.pass_seconds(5)
    sender.push()
    sender.clock.pass_seconds(5)
    assert sender.delivery.blocked_seconds() == 10
    sender.outlet.make_room(1)
    assert sender.delivery.blocked_seconds() == 0
    sender.clock.pass_seconds(7)
    assert sender.delivery.blocked_seconds() == 7
    sender.outlet.make_room()
    assert sender.delivery.blocked_seconds() == 0


def test_close_sends_its_last_message_and_drops_what_waits(sender: Sender) -> None:
    sender.outlet.block()
    sender.push()
    sender.reply(id=1)
    last = encode({"type": "error"})
    sender.delivery.close(1013, "too_slow", last=last)
    assert sender.outlet.closed == (1013, "too_slow")
    assert [message["type"] for message in sender.outlet.take_messages()] == ["error"]


def test_closed_delivery_sends_nothing_more(sender: Sender) -> None:
    sender.delivery.close(1000, "bye")
    sender.push()
    sender.reply(id=1)
    sender.beat()
    sender.delivery.snapshot(sender.take_snapshot())
    sender.delivery.replay([sender.event()])
    sender.delivery.resync(ResyncReason.NEW_STREAM)
    sender.delivery.drain()
    sender.delivery.close(1001, "again")
    assert sender.outlet.closed == (1000, "bye")
    assert sender.sent() == []


class EagerOutlet(FakeOutlet):
    """Says that it can be written even when it is closed; writing then would fail the test."""

    @property
    def is_writable(self) -> bool:
        return True


def test_closed_delivery_writes_nothing_to_an_outlet_that_still_seems_open() -> None:
    outlet = EagerOutlet()
    delivery = Delivery(
        outlet,
        budget_bytes=BUDGET_BYTES,
        take_snapshot=Sender().take_snapshot,
        timestamp=fixed_timestamp,
        clock=FakeClock(),
    )
    delivery.close(1000, "bye")
    delivery.push([encode({"type": "event"})])
    delivery.reply(encode({"type": "pong"}))
    assert outlet.frames == []


def test_snapshots_that_a_blocked_client_asks_for_are_bounded(sender: Sender) -> None:
    sender.part_bytes = (20_000,)
    sender.outlet.block()
    for number in range(100):
        sender.push()
        sender.delivery.snapshot(replace(sender.take_snapshot(), id=number))
        assert sender.delivery.waiting_bytes <= BUDGET_BYTES
    assert sender.delivery.resyncs >= 1
    sender.outlet.make_room()
    (snapshot,) = sender.outlet.take_messages()
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 100)


def test_client_that_asks_and_does_not_read_is_hopeless(sender: Sender) -> None:
    sender.outlet.block()
    answer = encode({"type": "pong", "note": "n" * 10_000})
    asked = 0
    while not sender.delivery.is_hopeless(too_slow_seconds=60):
        sender.delivery.reply(answer)
        asked += 1
        assert asked < 20
    assert asked * answer.size > FULL_BUDGETS * BUDGET_BYTES
    sender.outlet.make_room()
    assert not sender.delivery.is_hopeless(too_slow_seconds=60)


@pytest.mark.parametrize(("seconds", "is_hopeless"), [(60, False), (60.5, True)])
def test_client_that_reads_nothing_for_long_is_hopeless(
    sender: Sender, seconds: float, is_hopeless: bool
) -> None:
    sender.outlet.make_room(1)
    sender.push()
    sender.clock.pass_seconds(seconds)
    assert sender.delivery.is_hopeless(too_slow_seconds=60) is is_hopeless


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(1, 3), st.booleans()),
        st.tuples(st.just("big"), st.integers(5000, 20_000), st.booleans()),
        st.tuples(st.just("reply"), st.just(0), st.just(False)),
        st.tuples(st.just("beat"), st.just(0), st.just(False)),
        st.tuples(st.just("snapshot"), st.just(0), st.just(False)),
        st.tuples(st.just("resync"), st.just(0), st.just(False)),
        st.tuples(st.just("room"), st.integers(1, 30_000), st.just(False)),
        st.tuples(st.just("block"), st.just(0), st.just(False)),
        st.tuples(st.just("drain"), st.just(0), st.just(False)),
    ),
    max_size=60,
)


@given(steps=STEPS, parts=st.lists(st.integers(1, WRITE_BYTES), min_size=1, max_size=3))
def test_no_event_is_missing_without_a_snapshot_in_its_place(
    steps: list[tuple[str, int, bool]], parts: list[int]
) -> None:
    """Every number is received, or below that of a snapshot which came later."""
    sender = Sender(part_bytes=tuple(parts))
    replies = 0
    for kind, number, tail in steps:
        match kind:
            case "push":
                sender.push(number, tail=tail)
            case "big":
                sender.push(size=number, tail=tail)
            case "reply":
                replies += 1
                sender.reply(id=replies)
            case "beat":
                sender.beat()
            case "snapshot":
                sender.delivery.snapshot(sender.take_snapshot())
            case "resync":
                sender.delivery.resync(ResyncReason.NEW_STREAM)
            case "room":
                sender.outlet.make_room(number)
            case "block":
                sender.outlet.block()
            case "drain":
                sender.outlet.make_room(math.inf)
        assert sender.delivery.waiting_bytes <= BUDGET_BYTES + 200 * replies
    sender.outlet.make_room()
    check_stream(sender.outlet.take_messages(), head=sender.seq, replies=replies)


def check_stream(received: list[dict[str, Any]], *, head: int, replies: int) -> None:
    applied, next_part, answers = 0, 1, []
    for message in received:
        kind = message["type"]
        if kind == "pong":
            answers.append(message["id"])
        elif kind == "heartbeat":
            assert message["seq"] == applied
        elif kind == "event":
            assert next_part == 1, "an event between the parts of a snapshot"
            assert message["seq"] == applied + 1
            applied = message["seq"]
        else:
            assert message["part"] in {1, next_part}
            is_last = message["part"] == message["parts"]
            next_part = 1 if is_last else message["part"] + 1
            assert message["seq"] >= applied
            applied = message["seq"] if is_last else applied
    assert applied == head
    assert answers == list(range(1, replies + 1))


@given(steps=STEPS)
def test_every_event_without_a_key_is_received_or_counted_as_dropped(
    steps: list[tuple[str, int, bool]],
) -> None:
    sender = Sender(part_bytes=(WRITE_BYTES, 10))
    published: Counter[bool] = Counter()
    for kind, number, tail in steps:
        if kind in {"push", "big"}:
            before = sender.seq
            size = {} if kind == "push" else {"size": number}
            sender.push(number if kind == "push" else 1, tail=tail, **size)
            published[tail] += sender.seq - before
        elif kind == "reply":
            # Long enough that a snapshot after it may wait for its turn.
            sender.delivery.reply(encode({"type": "pong", "note": "n" * WRITE_BYTES}))
        elif kind == "resync":
            sender.delivery.resync(ResyncReason.NEW_STREAM)
        elif kind == "room":
            sender.outlet.make_room(number)
        elif kind == "block":
            sender.outlet.block()
    sender.outlet.make_room()
    received = sender.outlet.take_messages()
    events = [message for message in received if message["type"] == "event"]
    finished = [m for m in received if m["type"] == "snapshot" and m["part"] == m["parts"]]
    dropped = sum(message["dropped"].get("notice", 0) for message in finished)
    tail_events = sum(1 for message in events if message["is_tail"])
    assert tail_events + dropped == published[True]
