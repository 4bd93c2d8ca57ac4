"""The relay: what was committed arrives, whoever wrote it and whatever happens meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from django.db import connection
from pytest_django import Settings

from realtime import log, relaying
from realtime.log import LoggedEvent, Position
from realtime.polling import Poll, choose_poll
from realtime.relaying import Relay
from tests.realtime.events import empty_log, entry, number_all

pytestmark = pytest.mark.django_db(transaction=True)

# As long as a lost event is waited for, before the test says that it is lost.
PATIENCE_SECONDS = 5.0
NEVER_SECONDS = 3600.0
EVENTS = 3


class Recorder:
    """A hub that only writes down what it gets."""

    def __init__(self) -> None:
        self.identity = ""
        self.cursor = 0
        self.keys: list[str] = []
        self.reloads = 0
        self.on_deliver: Callable[[], None] | None = None
        self._changed = threading.Condition()

    @property
    def position(self) -> tuple[str, int]:
        return self.identity, self.cursor

    def keyless_feeds(self) -> Sequence[str]:
        return []

    def deliver(self, identity: str, events: Sequence[LoggedEvent], *, polled: bool) -> None:
        """Take what comes next, and nothing else."""
        assert identity == self.identity
        callback, self.on_deliver = self.on_deliver, None
        with self._changed:
            for event in events:
                if event.seq == self.cursor + 1:
                    self.cursor = event.seq
                    self.keys.append(event.key)
            self._changed.notify_all()
        if callback is not None:
            callback()

    def reload(self, position: Position, events: Sequence[LoggedEvent]) -> None:
        self.reloads += 1
        with self._changed:
            self.identity, self.cursor = position.identity, position.head
            self._changed.notify_all()

    def has_come_to(self, seq: int) -> bool:
        """Wait until everything up to `seq` is here; False when it does not come."""
        with self._changed:
            return self._changed.wait_for(
                lambda: bool(self.identity) and self.cursor >= seq, PATIENCE_SECONDS
            )


@pytest.fixture
def recorder() -> Recorder:
    empty_log()
    log.position()
    return Recorder()


@pytest.fixture
def running(recorder: Recorder) -> Iterator[Relay]:
    """A relay in its own thread, which has loaded the empty log."""
    made = Relay()
    made.attach(recorder)
    made.start()
    try:
        assert recorder.has_come_to(0)
        yield made
    finally:
        made.stop()


@pytest.fixture
def by_hand(recorder: Recorder) -> Iterator[Relay]:
    """A relay that the test turns."""
    made = Relay()
    made.attach(recorder)
    made.turn()
    yield made
    made.stop()


@pytest.fixture
def _without_polling(settings: Settings) -> None:
    settings.REALTIME_POLL_SECONDS = NEVER_SECONDS


def test_what_another_process_wrote_is_found_without_being_told(
    running: Relay, recorder: Recorder
) -> None:
    for number in range(1, EVENTS + 1):
        # As by a process that died right after its commit: nobody wakes the relay.
        log.append([entry(str(number))])
        assert recorder.has_come_to(number)


def test_poll_that_once_took_long_does_not_put_off_the_next(
    running: Relay, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Poll.has_changed

    def answer_late(poll: Poll) -> bool:
        has_changed = asked(poll)
        # As by a database that was frozen meanwhile.
        poll.cost_seconds = NEVER_SECONDS
        return has_changed

    monkeypatch.setattr(Poll, "has_changed", answer_late)
    for number in range(1, EVENTS + 1):
        log.append([entry(str(number))])
        assert recorder.has_come_to(number)


@pytest.mark.usefixtures("_without_polling")
def test_commit_during_a_turn_is_handed_over_by_the_next(
    recorder: Recorder, running: Relay
) -> None:
    def commit_another() -> None:
        log.append([entry("second")])
        running.wake()

    recorder.on_deliver = commit_another
    log.append([entry("first")])
    running.wake()
    assert recorder.has_come_to(2)


def test_everything_is_handed_over_however_far_the_hub_is_behind(
    by_hand: Relay, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "BATCH_EVENTS", 2)
    log.append([entry(str(number)) for number in range(5)])
    number_all()
    by_hand.turn()
    assert recorder.keys == ["0", "1", "2", "3", "4"]


def test_hub_whose_history_is_gone_starts_from_the_state(
    by_hand: Relay, recorder: Recorder, settings: Settings
) -> None:
    settings.REALTIME_HISTORY_EVENTS = 1
    log.append([entry("BTC") for _ in range(5)])
    number_all()
    log.prune()
    by_hand.turn()
    assert (recorder.cursor, recorder.keys) == (5, [])


def test_hub_that_hears_of_an_event_while_the_head_is_read_is_not_loaded_anew(
    by_hand: Relay, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_position = log.position

    def read_and_hear() -> Position:
        """The layer brings an event that another process numbered a moment later."""
        position = read_position()
        monkeypatch.setattr(log, "position", read_position)
        log.append([entry("later")])
        number_all()
        recorder.deliver(position.identity, log.read(0, EVENTS), polled=False)
        return position

    monkeypatch.setattr(log, "position", read_and_hear)
    by_hand.turn()
    assert recorder.keys == ["later"]
    # The first was the attaching. Another would resynchronise every client.
    assert recorder.reloads == 1


def test_poll_sees_another_connections_commit() -> None:
    empty_log()
    log.position()
    poll = choose_poll(has_layer=False)
    poll.has_changed()
    assert not poll.has_changed()
    write_elsewhere()
    assert poll.has_changed()


def test_event_that_waits_for_its_number_is_news_until_it_has_one() -> None:
    """Another relay may have seen it, too, and died over it."""
    if connection.vendor != "postgresql":
        pytest.skip("numbers are given after the commit on PostgreSQL only")
    empty_log()
    log.position()
    poll = choose_poll(has_layer=False)
    write_elsewhere()
    assert poll.has_changed()
    assert poll.has_changed()
    number_all()
    poll.has_changed()
    assert not poll.has_changed()


def write_elsewhere() -> None:
    """Commit an event on a connection of its own, and wake nobody."""

    def write() -> None:
        try:
            log.append([entry()])
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    writer.join()
