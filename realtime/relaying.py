"""The relay's thread: numbers committed events, reads them in order and hands them on.

It is the only reader of the log in a server process. Correctness never depends on the process
that wrote: each server polls, and picks up what a process left that died after its commit.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from django.db import Error as DatabaseError

from realtime import failpoints, log
from realtime.layer import LayerPublisher, layer_is_shared
from realtime.log import HistoryExpired, LoggedEvent, Position
from realtime.log.database import connection, guard_connection, numbers_on_append
from realtime.polling import Poll, choose_poll
from realtime.vitals import Vitals

logger = logging.getLogger(__name__)

BATCH_EVENTS = 500
PRUNE_EVERY_SECONDS = 10.0
PRUNE_EVENTS = 1000
BURST_SECONDS = 0.005
# A process that serves nobody has its thread for its own work.
WRITER_BURST_SECONDS = 0.02
RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 2.0
# A poll takes no more than a tenth of the thread's time. One that waited for a frozen database
# tells nothing about the next.
COST_FACTOR = 10
LONGEST_POLL_SECONDS = 1.0

Result = TypeVar("Result")


class Receiver(Protocol):
    """The hub of this process, as the relay sees it; called in the relay's thread."""

    @property
    def position(self) -> tuple[str, int]:
        """The identity and the number up to which the receiver has everything."""
        ...

    def deliver(self, identity: str, events: Sequence[LoggedEvent], *, polled: bool) -> None:
        """Take events in order; returns when they are applied."""
        ...

    def reload(self, position: Position, events: Sequence[LoggedEvent]) -> None:
        """Start afresh from the state `events` as of `position`; returns when it is applied."""
        ...

    def keyless_feeds(self) -> Sequence[str]:
        """The feeds without keys, of which a state holds the last events."""
        ...


class Relay(threading.Thread):
    """Hands committed events to this process's hub and, if it `publishes`, to the channel layer."""

    def __init__(self, *, publishes: bool = True) -> None:
        super().__init__(name="realtime-relay", daemon=True)
        self._woken = threading.Event()
        self._requested = 0
        self._finished = 0
        self._progress = threading.Condition()
        self._jobs: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._receiver: Receiver | None = None
        self._is_stopping = False
        self._last_turn = 0.0
        self._next_prune = time.monotonic() + PRUNE_EVERY_SECONDS
        self._publisher = LayerPublisher() if publishes and layer_is_shared() else None
        self.vitals = Vitals()

    @property
    def lag_seconds(self) -> float:
        """For how long the hub has had no look at the log; without a hub, how long a look takes."""
        vitals = self.vitals
        return vitals.looking_seconds if self._receiver is None else vitals.since_look_seconds

    def has_looked_within(self, seconds: float) -> bool:
        """Whether the log was read for the hub so short a time ago: the database answers."""
        return self._receiver is not None and self.vitals.has_looked_within(seconds)

    @property
    def publisher(self) -> LayerPublisher | None:
        """The way to other processes; None without a shared channel layer."""
        return self._publisher

    def attach(self, receiver: Receiver) -> None:
        """Give `receiver` every event from now on, the present state first."""
        self.vitals.start_anew()
        self._receiver = receiver
        self.wake()

    def detach(self, receiver: Receiver) -> None:
        """Stop giving events to `receiver`."""
        if self._receiver is receiver:
            self._receiver = None

    def wake(self) -> None:
        """Look at the log now."""
        with self._progress:
            self._requested += 1
        self._woken.set()

    def call(self, job: Callable[[], Result], *, at_once: bool = True) -> Future[Result]:
        """Run `job` in this thread, where the log is read; it fails while the log cannot be.

        What need not be done at once waits for the next poll, and makes no turn of its own.
        """
        future: Future[Result] = Future()
        self._jobs.append((job, future))
        if at_once:
            self.wake()
        return future

    def drain(self, deadline_seconds: float) -> bool:
        """Wait until what was committed before the call is handed on; False at the deadline."""
        deadline = time.monotonic() + deadline_seconds
        self.wake()
        wanted = self._requested
        with self._progress:
            done = self._progress.wait_for(lambda: self._finished >= wanted, deadline_seconds)
        if done and self._publisher is not None:
            return self._publisher.drain(deadline - time.monotonic())
        return done

    def stop(self) -> None:
        """End the thread and close its connection."""
        self._is_stopping = True
        self.wake()
        if self.is_alive():
            self.join(timeout=5)
        if self._publisher is not None:
            self._publisher.stop()

    def run(self) -> None:
        """Turn until stopped: at once when woken, else at the poll's interval."""
        retry = RETRY_SECONDS
        poll = self._start_afresh()
        try:
            while not self._is_stopping:
                try:
                    self._wait(poll)
                    self.vitals.begin_look()
                    guard_connection()
                    self._turn(poll)
                    self.vitals.end_look()
                    retry = RETRY_SECONDS
                except Exception as error:
                    # Whatever it is, a server without its relay would be deaf: try again.
                    self._report(error)
                    self._run_jobs(failure=error)
                    time.sleep(retry)
                    retry = min(retry * 2, LONGEST_RETRY_SECONDS)
                    poll = self._start_afresh()
        finally:
            connection().close()

    def _start_afresh(self) -> Poll:
        connection().close()
        return choose_poll(has_layer=self._publisher is not None)

    def turn(self) -> None:
        """Look at the log once, in the caller's thread: `realtime.testing.flush` does."""
        self.wake()
        self._turn(choose_poll(has_layer=False))

    def _wait(self, poll: Poll) -> None:
        if self.vitals.is_failing:
            return
        if self._receiver is None:
            # Only its own commits concern a process that serves nobody.
            self._woken.wait()
        else:
            backoff = min(COST_FACTOR * poll.cost_seconds, LONGEST_POLL_SECONDS)
            self._woken.wait(max(poll.seconds, backoff))
        # A burst is numbered in batches: a turn for each commit would slow the writer down. What
        # comes after a pause is handed on at once.
        burst = WRITER_BURST_SECONDS if self._receiver is None else BURST_SECONDS
        time.sleep(max(0.0, self._last_turn + burst - time.monotonic()))

    def _turn(self, poll: Poll) -> None:
        was_woken = self._woken.is_set()
        self._woken.clear()
        self._last_turn = time.monotonic()
        requested = self._requested
        self._run_jobs()
        if self._has_news(poll, was_woken=was_woken):
            self._number()
            self.vitals.unnumbered = 0
            if self._receiver is not None:
                self._hand_over(self._receiver)
        with self._progress:
            self._finished = max(self._finished, requested)
            self._progress.notify_all()
        if self._receiver is not None and time.monotonic() >= self._next_prune:
            self._prune(poll)

    def _prune(self, poll: Poll) -> None:
        # Said first: on a full disk it fails, and must not keep events waiting by failing again.
        self._next_prune = time.monotonic() + PRUNE_EVERY_SECONDS
        removed = log.prune(batch=PRUNE_EVENTS)
        # Of nearly every batch a few events stay, the newest of their keys: more than half gone
        # means that there is more.
        if removed >= PRUNE_EVENTS // 2:
            self._next_prune = time.monotonic() + poll.seconds

    def _has_news(self, poll: Poll, *, was_woken: bool) -> bool:
        # After a failure the poll is a new one, which has news whatever it finds: what waits is
        # counted even if it cannot be numbered.
        if was_woken and not self.vitals.is_failing:
            return True
        has_changed = poll.has_changed()
        self.vitals.unnumbered = poll.unnumbered
        return has_changed

    def _run_jobs(self, *, failure: Exception | None = None) -> None:
        while self._jobs:
            job, future = self._jobs.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            if failure is not None:
                future.set_exception(failure)
                continue
            try:
                future.set_result(job())
            except Exception as error:
                future.set_exception(error)

    def _number(self) -> None:
        """Number what waits, and tell this process's hub and the others."""
        if numbers_on_append():
            return
        is_full = True
        while is_full:
            failpoints.reach("before_numbering")
            identity, events = log.number(BATCH_EVENTS)
            if not events:
                return
            failpoints.reach("after_numbering")
            self.vitals.head = events[-1].seq
            if self._publisher is not None:
                self._publisher.publish(identity, events)
            failpoints.reach("after_publishing")
            if self._receiver is not None:
                self._receiver.deliver(identity, events, polled=False)
            self.vitals.note_answer()
            is_full = len(events) == BATCH_EVENTS

    def _hand_over(self, receiver: Receiver) -> None:
        """Bring `receiver` to the head, by events where they are, else by the state."""
        # In this order: what the layer brings between the two makes the cursor older, not newer.
        identity, cursor = receiver.position
        position = log.position()
        self.vitals.head = position.head
        if identity != position.identity or not position.floor - 1 <= cursor <= position.head:
            receiver.reload(*log.state(keyless_feeds=receiver.keyless_feeds()))
            return
        while cursor < position.head:
            try:
                events = log.read(cursor, BATCH_EVENTS)
            except HistoryExpired:
                receiver.reload(*log.state(keyless_feeds=receiver.keyless_feeds()))
                return
            if not events:
                return
            failpoints.reach("between_batches")
            receiver.deliver(identity, events, polled=True)
            self.vitals.note_answer()
            cursor = events[-1].seq

    def _report(self, error: Exception) -> None:
        if self.vitals.fail(error):
            # A database that is gone needs no traceback; anything else does.
            unexpected = None if isinstance(error, DatabaseError) else error
            logger.error(
                "The event log cannot be read, trying again: %s",
                self.vitals.error,
                exc_info=unexpected,
            )
