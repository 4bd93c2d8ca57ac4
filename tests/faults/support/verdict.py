"""Whether every promise was kept for every client, whatever was done to the cluster meanwhile."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from tests.e2e.support.clients import Message
from tests.e2e.support.databases import Database, Row
from tests.e2e.support.ledger_writer import ROLLED_BACK
from tests.e2e.support.published import comparable, read_published
from tests.e2e.support.states import Held
from tests.faults.support.crowd import Crowd, Watcher, told

EVENTS = "SELECT seq, id, feed, key, action, data FROM realtime_event ORDER BY seq"
MARKED_FIELDS = ("strategy_id", "close_reason", "message")

Told = tuple[int, int, str, str, str]


@dataclass(frozen=True)
class Figures:
    """What was counted while the promises were checked."""

    clients: int
    events: int
    deliveries: int
    commits_noted: int
    connections_lost: int
    resumed: int
    snapshots_instead: int
    longest_delay_told_seconds: float
    # How many connections ended how.
    ends: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """By name, for the record."""
        return asdict(self)


def check_promises(
    crowd: Crowd,
    database: Database,
    noted: Iterable[str],
    *,
    snapshots_allowed: bool = False,
    log: Mapping[int, Message] | None = None,
) -> Figures:
    """Hold every client against the log and the rows; returns what there was to count.

    `noted` are the marks of the commits that returned to their writer. With `snapshots_allowed`
    a client may have been told to start anew: between two snapshots it has everything up to some
    event. `log` holds every event where the database has not kept them all.
    """
    if log is None:
        log = _read_log(database)
    marks = {mark for event in log.values() for mark in marks_of(event)}
    assert not [mark for mark in marks if mark.startswith(ROLLED_BACK)], "promise 1: a rollback"
    missing = set(noted) - marks
    assert not missing, f"promise 1: committed, and no event: {sorted(missing)[:5]}"
    published = read_published(database)
    same = _Same(log)
    for watcher in crowd.watchers:
        _check_state(watcher, published)
        if not snapshots_allowed:
            assert watcher.starts["resume", "snapshot"] == 0, watcher.kind
            assert watcher.resyncs == 0, watcher.kind
        _check_events(watcher, log, same)
    return _count(crowd, log, noted)


def _read_log(database: Database) -> dict[int, Message]:
    """Every event of the log by its number, and that the numbers have no hole."""
    rows = database.rows(EVENTS)
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1)), "promise 2: a hole"
    return {row["seq"]: read_event(row) for row in rows}


def read_event(row: Row) -> Message:
    """A row of the log as the message that clients get of it."""
    return {
        "seq": row["seq"],
        "event": row["id"],
        "type": row["feed"],
        "action": row["action"],
        "data": json.loads(row["data"]),
    }


def marks_of(event: Message) -> set[str]:
    """The marks of the commits that an event tells of."""
    return {event["data"][name] for name in MARKED_FIELDS if event["data"].get(name)}


class _Same:
    """Compares events with the log, each message object once: a crowd shares them."""

    def __init__(self, log: Mapping[int, Message]) -> None:
        self._log = log
        self._checked: dict[int, Message] = {}

    def check(self, event: Message) -> None:
        if self._checked.get(id(event)) is event:
            return
        assert told(event) == told(self._log[event["seq"]]), "promise 1: not what was committed"
        self._checked[id(event)] = event


def _check_events(watcher: Watcher, log: Mapping[int, Message], same: _Same) -> None:
    """Promises 2 to 4: what the subscription matches since each snapshot, in order, once."""
    received = [event["seq"] for event in watcher.events]
    assert received == sorted(set(received)), f"promise 2: {watcher.kind.name}"
    wanted = [seq for seq, event in log.items() if watcher.kind.wants(event["type"], event["data"])]
    begins = [seq for seq, _ in watcher.snapshots]
    for begin, end in pairwise([*begins, max(log, default=0)]):
        between = slice(bisect_right(received, begin), bisect_right(received, end))
        expected = wanted[bisect_right(wanted, begin) : bisect_right(wanted, end)]
        _check_part(watcher, received[between], expected, is_last=begin == begins[-1])
    for event in watcher.events:
        same.check(event)


def _check_part(
    watcher: Watcher, received: list[int], expected: list[int], *, is_last: bool
) -> None:
    """What came after one snapshot and before the next, which may take the place of the rest."""
    if watcher.kind.is_paced:
        assert set(received) <= set(expected), _difference(watcher, received, expected)
        return
    if not is_last:
        expected = expected[: len(received)]
    assert received == expected, _difference(watcher, received, expected)


def _difference(watcher: Watcher, received: list[int], expected: list[int]) -> str:
    lost = sorted(set(expected) - set(received))[:5]
    surplus = sorted((Counter(received) - Counter(expected)).elements())[:5]
    return f"{watcher.kind.name}: lost {lost}, not asked for {surplus}"


def _check_state(watcher: Watcher, published: Held) -> None:
    """Promise 6: the state that a client holds is that of the database."""
    kind = watcher.kind
    expected: Held = {}
    for name in kind.feeds:
        rows = published[name]
        if isinstance(rows, dict):
            rows = {key: row for key, row in rows.items() if kind.wants(name, row)}
        expected[name] = rows
    assert comparable(watcher.state.held) == expected, f"promise 6: {kind.name}"


def _count(crowd: Crowd, log: Mapping[int, Message], noted: Iterable[str]) -> Figures:
    watchers = crowd.watchers
    resumed = sum(watcher.resumes for watcher in watchers)
    instead = sum(watcher.starts["resume", "snapshot"] + watcher.resyncs for watcher in watchers)
    return Figures(
        clients=len(watchers),
        events=len(log) - min(watcher.snapshots[0][0] for watcher in watchers),
        deliveries=sum(len(watcher.events) for watcher in watchers),
        commits_noted=len(set(noted)),
        connections_lost=sum(watcher.tries > 0 for watcher in watchers),
        resumed=resumed,
        snapshots_instead=instead,
        longest_delay_told_seconds=max(watcher.longest_delay for watcher in watchers),
        ends=dict(sum((watcher.losses for watcher in watchers), Counter())),
    )
