"""The event log on SQLite and on PostgreSQL: one gapless order, and what is kept of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from realtime import log
from realtime.log import Action, HistoryExpired, LoggedEvent
from realtime.log.database import numbers_on_append
from realtime.log.values import TAIL_EVENTS
from realtime.models import Event, Stream
from realtime.timestamps import now
from tests.realtime.events import PAGE_EVENTS, append, empty_log, entry, number_all, rolled_back

pytestmark = pytest.mark.django_db

is_postgresql = connection.vendor == "postgresql"
on_postgresql = pytest.mark.skipif(
    not is_postgresql, reason="numbers are given after the commit on PostgreSQL only"
)


@pytest.fixture(autouse=True)
def _empty(db: None) -> None:
    empty_log()


def numbers(events: list[LoggedEvent]) -> list[int]:
    return [event.seq for event in events]


def floor() -> int:
    return log.position().floor


def expire(up_to: int, settings: Settings) -> None:
    """Let everything up to a number be older than the history that is kept."""
    settings.REALTIME_HISTORY_HOURS = 1.0
    Event.objects.filter(seq__lte=up_to).update(created_at=now() - timedelta(hours=2))


# Appending and numbering.


def test_numbers_begin_at_one_and_have_no_hole() -> None:
    assert numbers(append(entry("A"), entry("B"))) == [1, 2]
    assert numbers(append(entry("A"))) == [3]
    assert log.position().head == 3


def test_event_comes_back_as_it_was_written() -> None:
    ids = log.append([entry("BTC", action=Action.CREATED, data={"bid": "1.00", "name": "é"})])
    number_all()
    (event,) = log.read(0, 10)
    assert (event.seq, event.id) == (1, ids[0])
    assert (event.feed, event.key, event.action, event.live) == ("price", "BTC", "created", True)
    assert event.parsed_data() == {"bid": "1.00", "name": "é"}
    assert event.parsed_was() is None
    assert event.timestamp.endswith("Z")
    assert abs((Event.objects.get().created_at - now()).total_seconds()) < 60


def test_ids_are_returned_in_the_order_of_the_entries() -> None:
    ids = log.append([entry("A"), entry("B"), entry("C")])
    keys = dict(Event.objects.values_list("id", "key"))
    assert [keys[id_] for id_ in ids] == ["A", "B", "C"]


def test_appending_nothing_moves_nothing() -> None:
    append(entry())
    assert log.append([]) == []
    assert log.position().head == 1


def test_rollback_leaves_neither_event_nor_hole() -> None:
    append(entry("A"))
    with rolled_back():
        log.append([entry("B"), entry("C")])
    assert numbers(append(entry("D"))) == [2]
    assert [event.key for event in log.read(0, 10)] == ["A", "D"]


def test_only_postgresql_leaves_the_numbering_to_a_relay() -> None:
    log.append([entry()])
    assert log.has_unnumbered() is is_postgresql
    assert len(log.number(10)[1]) == int(is_postgresql)
    assert log.position().head == 1


@on_postgresql
def test_postgresql_numbers_when_a_relay_asks_and_no_more_than_it_asks_for() -> None:
    log.append([entry(key) for key in "ABC"])
    assert log.has_unnumbered()
    assert log.read(0, 10) == []
    first = log.number(2)[1]
    assert [(event.seq, event.key) for event in first] == [(1, "A"), (2, "B")]
    assert log.position().head == 2
    assert log.has_unnumbered()
    assert numbers(log.number(2)[1]) == [3]
    assert not log.has_unnumbered()
    assert log.number(2)[1] == []
    assert first == log.read(0, 2)


def test_lost_stream_row_is_made_again_under_a_new_identity() -> None:
    append(entry("A"), entry("B"))
    before = log.position()
    Stream.objects.all().delete()
    assert numbers(append(entry("C"))) == [3]
    after = log.position()
    assert after.identity != before.identity
    assert (after.head, after.floor) == (3, 3)


@pytest.mark.parametrize("first_use", [log.position, lambda: log.state(keyless_feeds=["notice"])])
def test_whoever_comes_first_makes_the_stream_row(first_use: object) -> None:
    assert callable(first_use)
    first_use()
    assert Stream.objects.count() == 1
    position = log.position()
    assert (position.head, position.floor) == (0, 1)
    assert len(position.identity) == 8


def test_numbering_makes_the_stream_row() -> None:
    log.append([entry()])
    Stream.objects.all().delete()
    number_all()
    assert log.position().head == 1
    assert numbers(log.read(0, 10)) == [1]


# What an object was before.


WAS = ("venue", "size")


def was_of(*entries: log.Entry) -> list[object]:
    return [event.parsed_was() for event in append(*entries)]


def test_event_tells_the_filter_values_of_its_keys_previous_event() -> None:
    first = entry(data={"venue": "north", "size": 1, "bid": 2}, filter_fields=WAS)
    other = entry("ETH", data={"venue": "east"}, filter_fields=WAS)
    second = entry(data={"venue": "south", "size": 2}, filter_fields=WAS)
    third = entry(data={"venue": "west"}, filter_fields=WAS)
    assert was_of(first, other, second, third) == [
        None,
        None,
        {"venue": "north", "size": 1},
        {"venue": "south", "size": 2},
    ]


def test_object_that_ended_was_nothing() -> None:
    closed = entry(data={"venue": "north"}, filter_fields=WAS, action=Action.CLOSED, live=False)
    again = entry(data={"venue": "south"}, filter_fields=WAS)
    assert was_of(closed, again) == [None, None]


def test_same_key_of_another_feed_is_another_object() -> None:
    assert was_of(
        entry(feed="quote", data={"venue": "north"}, filter_fields=WAS),
        entry(data={"venue": "south"}, filter_fields=WAS),
    ) == [None, None]


def test_feed_without_filters_tells_nothing() -> None:
    assert was_of(entry(), entry()) == [None, None]


@pytest.mark.parametrize("value", ["text", 'a "quoted" é', True, False, None, 7, 1.5, ["x", 1]])
def test_values_of_before_have_the_types_of_the_data(value: object) -> None:
    data = {"venue": value}
    _, was = was_of(
        entry(data=data, filter_fields=("venue",)), entry(data=data, filter_fields=("venue",))
    )
    assert json.dumps(was) == json.dumps(data)


def test_message_without_a_key_was_nothing_before() -> None:
    info = entry("", feed="notice", data={"level": "INFO"}, filter_fields=("level",))
    assert was_of(info, info) == [None, None]


# Reading.


def test_pages_follow_each_other() -> None:
    append(*(entry(str(number)) for number in range(5)))
    assert numbers(log.read(0, 2)) == [1, 2]
    assert numbers(log.read(2, 2)) == [3, 4]
    assert numbers(log.read(4, 2)) == [5]
    assert log.read(5, 2) == []
    assert log.read(99, 2) == []


@pytest.mark.parametrize("removed", [1, 2, 3])
def test_page_with_a_hole_is_refused(removed: int) -> None:
    append(*(entry(str(number)) for number in range(4)))
    Event.objects.filter(seq=removed).delete()
    with pytest.raises(HistoryExpired):
        log.read(0, 10)
    assert numbers(log.read(3, 10)) == [4]


def test_state_is_the_newest_event_of_each_live_key_in_order() -> None:
    append(
        entry("A", data={"bid": 1}),
        entry("B", data={"bid": 2}),
        entry("A", data={"bid": 3}),
        entry("C"),
        entry("C", action=Action.DELETED, live=False),
        entry("D", action=Action.CLOSED, live=False),
        entry("D", data={"bid": 4}),
    )
    position, events = log.state(keyless_feeds=[])
    assert position == log.position()
    assert [(event.seq, event.key) for event in events] == [(2, "B"), (3, "A"), (7, "D")]


def test_state_holds_the_last_fifty_of_each_feed_without_keys() -> None:
    for feed in ("notice", "alarm"):
        append(*(entry("", feed=feed, data={"n": n}) for n in range(TAIL_EVENTS + 5)))
    append(entry("A"))
    _, events = log.state(keyless_feeds=["notice", "alarm", "silent"])
    kept = [event for event in events if event.feed == "alarm"]
    assert [event.parsed_data()["n"] for event in kept] == list(range(5, TAIL_EVENTS + 5))
    assert len(events) == 2 * TAIL_EVENTS + 1


def test_state_of_an_empty_log_is_empty() -> None:
    position, events = log.state(keyless_feeds=["notice"])
    assert (position.head, events) == (0, [])


@on_postgresql
def test_state_leaves_out_what_has_no_number_yet() -> None:
    append(entry("A", data={"bid": 1}))
    log.append([entry("A", data={"bid": 2}), entry("", feed="notice")])
    position, events = log.state(keyless_feeds=["notice"])
    assert position.head == 1
    assert [event.parsed_data() for event in events] == [{"bid": 1}]


# Retention.


def test_nothing_is_pruned_within_the_history() -> None:
    append(entry("A"), entry("A"))
    assert log.prune() == 0
    assert floor() == 1


def test_nothing_to_prune_is_found_without_a_transaction() -> None:
    append(entry("A"))
    with CaptureQueriesContext(connection) as queries:
        assert log.prune() == 0
    statements = [query["sql"] for query in queries]
    assert len(statements) == 1
    assert statements[0].startswith("SELECT")


def test_pruning_an_empty_database_is_nothing() -> None:
    assert log.prune() == 0


def test_old_events_go_and_the_floor_rises_with_them(settings: Settings) -> None:
    append(*(entry("A", data={"n": n}) for n in range(6)))
    expire(4, settings)
    assert log.prune() == 4
    assert floor() == 5
    assert numbers(log.read(4, 10)) == [5, 6]
    with pytest.raises(HistoryExpired):
        log.read(3, 10)
    assert log.prune() == 0


def test_more_events_than_the_history_holds_go(settings: Settings) -> None:
    settings.REALTIME_HISTORY_EVENTS = 2
    append(*(entry("A", data={"n": n}) for n in range(6)))
    assert log.prune() == 4
    assert floor() == 5


def test_newest_event_of_a_live_key_stays_however_old(settings: Settings) -> None:
    append(
        entry("OLD"),
        entry("GONE"),
        entry("GONE", action=Action.DELETED, live=False),
        entry("A"),
        entry("A"),
    )
    before = numbers(log.state(keyless_feeds=[])[1])
    expire(5, settings)
    assert log.prune() == 3
    assert numbers(log.state(keyless_feeds=[])[1]) == before == [1, 5]
    assert floor() == 6


def test_last_fifty_of_a_feed_without_keys_stay_however_old(settings: Settings) -> None:
    append(*(entry("", feed="notice", data={"n": n}) for n in range(TAIL_EVENTS + 7)))
    before = numbers(log.state(keyless_feeds=["notice"])[1])
    expire(TAIL_EVENTS + 7, settings)
    assert log.prune() == 7
    assert numbers(log.state(keyless_feeds=["notice"])[1]) == before
    assert len(before) == TAIL_EVENTS


def test_batch_limits_how_much_one_pruning_removes(settings: Settings) -> None:
    append(*(entry("A") for _ in range(10)))
    expire(9, settings)
    assert [log.prune(batch=4) for _ in range(4)] == [4, 4, 1, 0]
    assert floor() == 10


def test_head_never_falls_when_everything_is_old(settings: Settings) -> None:
    append(entry("A"), entry("A", action=Action.DELETED, live=False))
    expire(2, settings)
    assert log.prune() == 2
    assert Event.objects.count() == 0
    assert log.position()[1:] == (2, 3)
    assert numbers(append(entry("B"))) == [3]


# A new identity.


def test_new_stream_has_another_identity_and_no_history() -> None:
    append(entry("A"), entry("B"))
    before = log.position()
    identity = log.new_stream()
    assert identity != before.identity
    assert log.position() == (identity, 2, 3)
    assert numbers(append(entry("C"))) == [3]
    assert len(log.state(keyless_feeds=[])[1]) == 3


def test_new_stream_of_an_empty_database_makes_the_row() -> None:
    assert log.new_stream() == log.position().identity


# Under everything that writers do.


WRITES = st.lists(
    st.tuples(
        st.sampled_from(["commit", "rollback", "savepoint", "number"]),
        st.lists(st.sampled_from("ABC"), min_size=1, max_size=3),
    ),
    max_size=12,
)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(writes=WRITES)
def test_numbers_are_gapless_and_in_order_whatever_is_rolled_back(
    writes: list[tuple[str, list[str]]],
) -> None:
    empty_log()
    expected: list[str] = []
    for kind, keys in writes:
        if kind == "commit":
            log.append([entry(key) for key in keys])
            expected += keys
        elif kind == "rollback":
            with rolled_back():
                log.append([entry(key) for key in keys])
        elif kind == "savepoint":
            with transaction.atomic():
                log.append([entry(keys[0])])
                with rolled_back():
                    log.append([entry(key) for key in keys])
                log.append([entry(keys[-1])])
            expected += [keys[0], keys[-1]]
        else:
            number_all()
    number_all()
    events = log.read(0, PAGE_EVENTS)
    assert numbers(events) == list(range(1, len(expected) + 1))
    assert [event.key for event in events] == expected
    assert log.position().head == len(expected)
    _, state = log.state(keyless_feeds=[])
    assert {event.key: event.seq for event in state} == {e.key: e.seq for e in events}


# Several connections.


@pytest.fixture
def other_thread(transactional_db: None) -> Iterator[Writer]:
    empty_log()
    writer = Writer()
    yield writer
    writer.end()


class Writer:
    """Another writer with a transaction of its own, which ends when the test says so."""

    def __init__(self) -> None:
        self._has_written = threading.Event()
        self._may_commit = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, *entries: log.Entry) -> None:
        """Append in a transaction that stays open."""

        def run() -> None:
            try:
                with transaction.atomic():
                    log.append(entries)
                    self._has_written.set()
                    self._may_commit.wait(30)
            finally:
                connection.close()

        self._thread = threading.Thread(target=run)
        self._thread.start()
        assert self._has_written.wait(30)

    def end(self) -> None:
        """Commit."""
        self._may_commit.set()
        if self._thread is not None:
            self._thread.join(30)


@on_postgresql
def test_late_committer_is_numbered_after_those_who_committed_before_it(
    other_thread: Writer,
) -> None:
    other_thread.begin(entry("LATE"))
    assert [event.key for event in append(entry("EARLY"))] == ["EARLY"]
    other_thread.end()
    assert [(event.seq, event.key) for event in number_all()] == [(2, "LATE")]
    late, early = (Event.objects.get(key=key) for key in ("LATE", "EARLY"))
    assert late.pk < early.pk
    assert late.seq is not None
    assert early.seq is not None
    assert late.seq > early.seq


@on_postgresql
def test_tail_of_a_feed_without_keys_is_the_last_by_number_not_by_id(
    other_thread: Writer,
) -> None:
    other_thread.begin(entry("", feed="notice", data={"n": "late"}))
    append(*(entry("", feed="notice", data={"n": n}) for n in range(TAIL_EVENTS)))
    other_thread.end()
    number_all()
    _, events = log.state(keyless_feeds=["notice"])
    found = [event.parsed_data()["n"] for event in events]
    assert found == [*range(1, TAIL_EVENTS), "late"]


@on_postgresql
def test_relays_that_number_at_the_same_time_give_each_number_once(
    transactional_db: None,
) -> None:
    empty_log()
    log.position()
    log.append([entry(str(number)) for number in range(40)])
    batches: list[list[LoggedEvent]] = []
    barrier = threading.Barrier(4)

    def relay() -> None:
        try:
            barrier.wait(30)
            while events := log.number(3)[1]:
                batches.append(events)
        finally:
            connection.close()

    threads = [threading.Thread(target=relay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    found = sorted(event.seq for batch in batches for event in batch)
    assert found == list(range(1, 41))
    assert log.position().head == 40


def test_concurrent_writers_leave_no_hole(transactional_db: None) -> None:
    empty_log()
    log.position()
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for number in range(10):
                with transaction.atomic():
                    log.append([entry(f"{name}{number}"), entry(name)])
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in "ABC"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    number_all()
    events = log.read(0, PAGE_EVENTS)
    assert numbers(events) == list(range(1, 61))
    for name in "ABC":
        own = [event.key for event in events if event.key.startswith(name) and len(event.key) > 1]
        assert own == [f"{name}{number}" for number in range(10)]


def test_standing_is_none_before_the_first_event_and_writes_nothing() -> None:
    assert log.standing() is None
    assert log.standing() is None
    log.append([entry("A")])
    position = log.position()
    found = log.standing()
    assert found is not None
    assert found[:3] == tuple(position)
    assert found.unnumbered == (0 if numbers_on_append() else 1)
    number_all()
    found = log.standing()
    assert found is not None
    assert (found.head, found.unnumbered) == (1, 0)
