"""The relay's thread and what a process does with it: waking, draining, failing, ending."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from realtime import log, relay, relaying, vitals
from realtime.log import LoggedEvent, Position
from realtime.relaying import Relay
from realtime.system_log import publish_log
from tests.realtime.events import append, empty_log, entry

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 10.0

pytestmark = pytest.mark.django_db(transaction=True)


class Taker:
    """A receiver that takes everything and tells when."""

    def __init__(self) -> None:
        self.position = ("", 0)
        self.taken: list[str] = []
        self.reloads: list[list[str]] = []
        self.threads: set[str] = set()
        self._changed = threading.Condition()

    def keyless_feeds(self) -> Sequence[str]:
        return ["system_log"]

    def deliver(self, identity: str, events: Sequence[LoggedEvent], *, polled: bool) -> None:
        with self._changed:
            self.threads.add(threading.current_thread().name)
            new = [event for event in events if event.seq > self.position[1]]
            if new and identity == self.position[0] and new[0].seq == self.position[1] + 1:
                self.taken += [event.key for event in new]
                self.position = (identity, new[-1].seq)
            self._changed.notify_all()

    def reload(self, position: Position, events: Sequence[LoggedEvent]) -> None:
        with self._changed:
            self.reloads.append([event.key for event in events])
            self.position = (position.identity, position.head)
            self._changed.notify_all()

    def wait_until(self, is_done: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(is_done, SECONDS)


@pytest.fixture(autouse=True)
def _empty() -> None:
    empty_log()
    log.position()


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
def threaded(settings: Settings) -> Iterator[None]:
    """This process runs a relay, as every process outside tests does."""
    settings.REALTIME_RELAY = True
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    yield
    relay.stop()


@pytest.fixture
def by_hand(settings: Settings) -> Iterator[None]:
    """No relay runs but by the test's hand."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    relay.stop()
    yield
    relay.stop()


# By hand.


@pytest.mark.usefixtures("by_hand")
def test_receiver_gets_the_state_first_and_then_every_event(taker: Taker) -> None:
    append(entry("A"), entry("B"))
    relay.attach(taker)
    relay.turn()
    assert taker.reloads == [["A", "B"]]
    append(entry("C"))
    log.append([entry("D")])
    relay.turn()
    assert taker.taken == ["C", "D"]
    relay.detach(taker)
    append(entry("E"))
    relay.turn()
    assert taker.taken == ["C", "D"]


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize("change", ["identity", "ahead", "below the floor", "hole"])
def test_receiver_that_cannot_go_on_starts_from_the_state(
    taker: Taker, settings: Settings, change: str
) -> None:
    relay.attach(taker)
    append(*(entry(key) for key in "AAAB"))
    relay.turn()
    settings.REALTIME_HISTORY_EVENTS = 1
    if change == "identity":
        log.new_stream()
    elif change == "ahead":
        taker.position = (taker.position[0], 99)
    elif change == "below the floor":
        taker.position = (taker.position[0], 1)
        log.prune()
    else:
        from realtime.models import Event

        taker.position = (taker.position[0], 1)
        Event.objects.filter(seq=3).delete()
    relay.turn()
    assert taker.reloads[-1] == ["A", "B"] or change == "hole"
    assert len(taker.reloads) == 2
    assert taker.position == log.position()[:2]


@pytest.mark.usefixtures("by_hand")
def test_far_behind_is_brought_up_in_pages(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaying, "BATCH_EVENTS", 3)
    relay.attach(taker)
    relay.turn()
    keys = [str(number) for number in range(10)]
    append(*(entry(key) for key in keys))
    relay.turn()
    assert taker.taken == keys
    assert len(taker.reloads) == 1


@pytest.mark.usefixtures("by_hand")
def test_only_a_server_prunes_and_only_now_and_then(
    taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    pruned: list[int] = []

    def prune(*, batch: int) -> int:
        pruned.append(batch)
        return 0

    monkeypatch.setattr(log, "prune", prune)
    monkeypatch.setattr(relaying, "PRUNE_EVERY_SECONDS", 0.0)
    relay.turn()
    assert pruned == []
    relay.attach(taker)
    relay.turn()
    relay.turn()
    assert len(pruned) == 2
    monkeypatch.setattr(relaying, "PRUNE_EVERY_SECONDS", 3600.0)
    relay.turn()
    relay.turn()
    assert len(pruned) == 3


@pytest.mark.usefixtures("by_hand")
def test_prune_that_fails_does_not_keep_the_next_events_waiting(
    taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prune(*, batch: int) -> int:
        raise OperationalError("database or disk is full")

    relay.attach(taker)
    relay.turn()
    monkeypatch.setattr(log, "prune", prune)
    running = relay.current()
    assert running is not None
    running._next_prune = 0.0
    append(entry("a"))
    with pytest.raises(OperationalError):
        relay.turn()
    append(entry("b"))
    relay.turn()
    assert taker.taken == ["a", "b"]


@pytest.mark.usefixtures("by_hand")
def test_jobs_run_where_the_log_is_read_and_their_errors_come_back() -> None:
    running = relay.attach(Taker())
    done = running.call(lambda: log.position().head)
    failed = running.call(lambda: 1 // 0)
    cancelled = running.call(lambda: 1)
    cancelled.cancel()
    relay.turn()
    assert done.result(0) == 0
    assert isinstance(failed.exception(0), ZeroDivisionError)
    assert cancelled.cancelled()


@pytest.mark.usefixtures("by_hand")
def test_nothing_is_woken_started_or_sent_while_the_relay_is_off() -> None:
    relay.wake()
    relay.tell_others({"type": "x"})
    publish_log(level="INFO", message="x", module="y")
    assert relay.current() is None
    assert relay.drain(deadline_seconds=0)


# In its thread.


@pytest.mark.usefixtures("threaded")
def test_server_is_handed_every_commit(taker: Taker) -> None:
    running = relay.attach(taker)
    taker.wait_until(lambda: len(taker.reloads) == 1)
    for number in range(5):
        publish_log(level="INFO", message=str(number), module="tests")
    taker.wait_until(lambda: len(taker.taken) == 5)
    assert taker.threads == {"realtime-relay"}
    assert running.vitals.delayed_seconds == 0.0
    assert running.vitals.error is None
    assert relay.attach(taker) is running


@pytest.mark.usefixtures("threaded")
def test_drained_means_handed_on(taker: Taker) -> None:
    relay.attach(taker)
    for number in range(5):
        publish_log(level="INFO", message=str(number), module="tests")
        assert relay.drain(deadline_seconds=SECONDS)
        assert taker.position[1] == number + 1
        assert not log.has_unnumbered()


@pytest.mark.usefixtures("threaded")
def test_draining_gives_up_at_its_deadline(taker: Taker) -> None:
    running = relay.attach(taker)
    may_go_on = threading.Event()
    running.call(lambda: may_go_on.wait(SECONDS))
    assert not relay.drain(deadline_seconds=0.02)
    may_go_on.set()
    assert relay.drain(deadline_seconds=SECONDS)


@pytest.mark.usefixtures("threaded")
def test_process_without_a_server_numbers_what_it_writes() -> None:
    publish_log(level="INFO", message="x", module="tests")
    assert relay.drain(deadline_seconds=SECONDS)
    assert not log.has_unnumbered()
    assert log.position().head == 1


@pytest.mark.usefixtures("threaded")
def test_stopped_relay_is_gone_and_another_starts(taker: Taker) -> None:
    first = relay.attach(taker)
    relay.stop()
    assert not first.is_alive()
    assert relay.current() is None
    relay.stop()
    second = relay.attach(taker)
    assert second is not first
    assert second.is_alive()


@pytest.mark.usefixtures("threaded")
@pytest.mark.parametrize("error", [OperationalError("gone"), ZeroDivisionError()])
def test_failing_log_is_tried_again_until_it_can_be_read(
    taker: Taker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    monkeypatch.setattr(relaying, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(relaying, "LONGEST_RETRY_SECONDS", 0.001)
    running = relay.attach(taker)
    taker.wait_until(lambda: bool(taker.reloads))
    position, failures = log.position, threading.Semaphore(0)

    def fail() -> Any:
        failures.release()
        raise error

    monkeypatch.setattr(log, "position", fail)
    running.wake()
    for _ in range(3):
        assert failures.acquire(timeout=SECONDS)
    assert running.vitals.delayed_seconds > 0
    assert type(error).__name__ in (running.vitals.error or "")
    assert running.call(lambda: log.position()).exception(SECONDS) is error
    monkeypatch.setattr(log, "position", position)
    append(entry("A"))
    running.wake()
    taker.wait_until(lambda: taker.taken == ["A"])
    assert relay.drain(deadline_seconds=SECONDS)
    assert (running.vitals.error, running.vitals.delayed_seconds) == (None, 0.0)
    # Once, not at every try.
    assert caplog.text.count("cannot be read") == 1


@pytest.mark.usefixtures("threaded")
def test_database_that_keeps_the_thread_waiting_is_a_delay(
    taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vitals, "STUCK_SECONDS", 0.05)
    running = relay.attach(taker)
    assert relay.drain(deadline_seconds=SECONDS)
    position, is_asked, may_answer = log.position, threading.Event(), threading.Event()

    def answer_late() -> Position:
        is_asked.set()
        assert may_answer.wait(SECONDS)
        return position()

    monkeypatch.setattr(log, "position", answer_late)
    running.wake()
    assert is_asked.wait(SECONDS)
    waited = threading.Event()
    waited.wait(2 * vitals.STUCK_SECONDS)
    assert running.vitals.delayed_seconds > vitals.STUCK_SECONDS
    may_answer.set()
    assert relay.drain(deadline_seconds=SECONDS)
    assert (running.vitals.error, running.vitals.delayed_seconds) == (None, 0.0)


@pytest.mark.usefixtures("threaded")
def test_interpreter_that_ends_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Relay) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(Relay, "start", refuse)
    relay.wake()
    assert relay.current() is None
    assert relay.drain(deadline_seconds=1)
    with pytest.raises(RuntimeError, match="shutting down"):
        relay.attach(Taker())


@pytest.mark.usefixtures("threaded")
def test_forked_child_starts_anew(taker: Taker) -> None:
    relay.attach(taker)
    taker.wait_until(lambda: bool(taker.reloads))
    inherited = (relay._relay, relay._lock)
    relay._forget()
    try:
        assert relay.current() is None
        assert relay._lock is not inherited[1]
    finally:
        relay._relay, relay._lock = inherited


FORK = """
import django, os
django.setup()
from realtime import relay
relay._relay = relay.Relay()
pid = os.fork()
if pid == 0:
    os._exit(0 if relay._relay is None else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_fork_forgets_the_relay() -> None:
    """The hook is in place: a real fork, in a process of its own."""
    environ = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    environ.pop("REDIS_URL", None)
    finished = subprocess.run(
        [sys.executable, "-c", FORK], cwd=ROOT, env=environ, check=False, timeout=60
    )
    assert finished.returncode == 0


@pytest.mark.usefixtures("threaded")
def test_many_threads_start_one_relay(taker: Taker) -> None:
    found: list[Relay] = []
    barrier = threading.Barrier(8)

    def attach() -> None:
        barrier.wait(SECONDS)
        found.append(relay.attach(taker))

    threads = [threading.Thread(target=attach) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert len(set(found)) == 1
    assert len(found) == 8


@pytest.mark.usefixtures("by_hand")
def test_job_that_can_wait_makes_no_turn_of_its_own(taker: Taker) -> None:
    relay.attach(taker)
    relay.turn()
    running = relay.current()
    assert running is not None
    waiting = running.call(lambda: "done", at_once=False)
    assert not running._woken.is_set()
    running.call(lambda: None)
    assert running._woken.is_set()
    relay.turn()
    assert waiting.result(timeout=0) == "done"
