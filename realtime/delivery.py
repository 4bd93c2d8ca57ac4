"""One connection's way out: what waits is bounded, and a snapshot takes the place of more."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

from realtime import metrics
from realtime.frames import Frame, count_tails
from realtime.live_state import Snapshot
from realtime.outlets import Outlet

# Joined into one write while a backlog drains.
WRITE_BYTES = 64 * 1024
# Answers are not dropped for the budget; a client that lets so much of them wait is closed.
FULL_BUDGETS = 2


class ResyncReason(StrEnum):
    """Why a backlog gave way to a snapshot."""

    # More waited than the client's budget holds.
    OVERFLOW = "overflow"
    # The hub could not go on from where it stood: a restore, expired history, an error of its own.
    NEW_STREAM = "new_stream"
    FELL_BEHIND = "fell_behind"
    HUB_ERROR = "hub_error"


TakeSnapshot = Callable[[Mapping[str, int]], Snapshot]


class _Parts:
    """A snapshot on its way: its parts are encoded as the socket drains, outside the budget."""

    __slots__ = ("_clock", "_next", "_snapshot", "cost_bytes")

    def __init__(
        self, snapshot: Snapshot, clock: Callable[[], str], *, cost_bytes: int = 0
    ) -> None:
        self.cost_bytes = cost_bytes
        self._snapshot = snapshot
        self._clock = clock
        self._next = 0

    def pull(self) -> Frame:
        frame = self._snapshot.frame(self._next, timestamp=self._clock())
        self._next += 1
        metrics.snapshots.bytes += frame.size
        metrics.snapshots.sent += self.is_finished
        return frame

    @property
    def is_finished(self) -> bool:
        return self._next >= len(self._snapshot.parts)

    @property
    def dropped(self) -> Mapping[str, int]:
        return self._snapshot.dropped


class _Replay:
    """What a returning client missed: frames that the ring shares, outside the budget."""

    __slots__ = ("_frames",)
    cost_bytes = 0

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = deque(frames)

    @property
    def rest(self) -> Iterable[Frame]:
        return self._frames

    def pull(self) -> Frame:
        return self._frames.popleft()

    @property
    def is_finished(self) -> bool:
        return not self._frames


class Delivery:
    """Sends messages to one client, in order, and holds at most its budget for it.

    When more waits than `budget_bytes`, the backlog is dropped and a snapshot, as of the moment at
    which the socket drains, takes its place: never a silent gap.
    """

    def __init__(
        self,
        outlet: Outlet,
        *,
        budget_bytes: int,
        take_snapshot: TakeSnapshot,
        timestamp: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._outlet = outlet
        self.budget_bytes = budget_bytes
        self._take_snapshot = take_snapshot
        self._timestamp = timestamp
        self._clock = clock
        self._pending: deque[Frame | _Parts | _Replay] = deque()
        self._replies: deque[Frame] = deque()
        self._pending_bytes = 0
        self._needs_snapshot = False
        self._dropped: Counter[str] = Counter()
        self._blocked_since: float | None = None
        self._is_closed = False
        self.resyncs = 0
        outlet.when_writable(self.drain)

    @property
    def waiting_bytes(self) -> int:
        """What waits within the budget."""
        return self._pending_bytes

    @property
    def is_blocked(self) -> bool:
        """Whether the socket accepts nothing at present."""
        return not self._outlet.is_writable and not self._is_closed

    def blocked_seconds(self) -> float:
        """For how long the socket has accepted nothing."""
        if self._outlet.is_writable or self._blocked_since is None:
            return 0.0
        return self._clock() - self._blocked_since

    def is_hopeless(self, *, too_slow_seconds: float) -> bool:
        """Whether the client is too slow even for a snapshot, or asks and does not read."""
        answers = self._pending_bytes + sum(frame.size for frame in self._replies)
        return (
            self.blocked_seconds() > too_slow_seconds or answers > FULL_BUDGETS * self.budget_bytes
        )

    def push(self, frames: Sequence[Frame]) -> None:
        """Send events, now or when the socket drains."""
        outlet = self._outlet
        # The way of nearly every event, without a detour: this runs for each client.
        if (
            frames
            and outlet.is_writable
            and not (self._pending or self._needs_snapshot)
            and (len(frames) == 1 or sum(frame.size for frame in frames) <= WRITE_BYTES)
        ):
            if not self._is_closed:
                outlet.write(frames)
                self._blocked_since = None if outlet.is_writable else self._clock()
            return
        if self._is_closed or not frames:
            return
        if self._needs_snapshot:
            self._count_dropped(frames)
        else:
            self._pending.extend(frames)
            self._pending_bytes += sum(frame.size for frame in frames)
            # A large batch goes as far as the socket takes it: the rest is the budget's.
            self.drain()
            if self._pending_bytes > self.budget_bytes:
                self.resync(ResyncReason.OVERFLOW)

    def reply(self, frame: Frame) -> None:
        """Send the answer to a command: after what is pending, and never dropped."""
        if self._is_closed:
            return
        if self._needs_snapshot:
            self._replies.append(frame)
        elif self._is_clear:
            self._write((frame,))
        else:
            # Frames without a number are answers and survive `resync`.
            self._pending.append(frame)
            self._pending_bytes += frame.size

    def beat(self, frame: Frame) -> None:
        """Send a heartbeat, unless the client has enough to read."""
        if not self._is_closed and not self._needs_snapshot and self._is_clear:
            self._write((frame,))

    def replay(self, frames: Iterable[Frame]) -> None:
        """Send what a returning client missed."""
        self._queue(_Replay(frames))

    def snapshot(self, snapshot: Snapshot) -> None:
        """Send a snapshot, as the socket takes it; one takes the place of too many that wait."""
        self._queue(_Parts(snapshot, self._timestamp, cost_bytes=snapshot.cost_bytes))
        if self._pending_bytes > self.budget_bytes:
            self.resync(ResyncReason.OVERFLOW)

    def resync(self, reason: ResyncReason) -> None:
        """Drop the backlog: a snapshot takes its place when the socket drains."""
        if self._is_closed:
            return
        for item in self._pending:
            if isinstance(item, _Parts):
                # The client never applies a snapshot without its last part: what it counts is owed.
                self._dropped.update(item.dropped)
        waiting = self._waiting_frames()
        self._count_dropped(waiting)
        self._replies.extend(item for item in waiting if not item.seq)
        self._pending.clear()
        self._pending_bytes = 0
        self._needs_snapshot = True
        self.resyncs += 1
        metrics.resyncs.labels(reason).inc()
        self.drain()

    def drain(self) -> None:
        """Send what waits, as far as the socket takes it; the outlet calls it when it can."""
        while self._outlet.is_writable and not self._is_closed:
            if self._needs_snapshot:
                self._replace_backlog()
            frames = self._next_frames()
            if not frames:
                return
            self._write(frames)

    def close(self, code: int, reason: str, *, last: Frame | None = None) -> None:
        """Send `last` and close; what waits is dropped."""
        if self._is_closed:
            return
        self._end(reason.replace(" ", "_"))
        if last is not None:
            self._outlet.write((last,))
        self._outlet.close(code, reason)

    def stop(self) -> None:
        """Hold nothing any more: the connection is gone."""
        if not self._is_closed:
            self._end("left")

    def _end(self, reason: str) -> None:
        self._is_closed = True
        metrics.closes.labels(reason).inc()
        metrics.count_dropped(self._waiting_frames(), reason="closed")
        self._pending.clear()
        self._pending_bytes = 0
        self._replies.clear()

    def _waiting_frames(self) -> list[Frame]:
        waiting = [item for item in self._pending if isinstance(item, Frame)]
        for item in self._pending:
            if isinstance(item, _Replay):
                waiting.extend(item.rest)
        return waiting

    @property
    def _is_clear(self) -> bool:
        return not self._pending and self._outlet.is_writable

    def _queue(self, item: _Parts | _Replay) -> None:
        if self._is_closed or self._needs_snapshot or item.is_finished:
            return
        self._pending.append(item)
        self._pending_bytes += item.cost_bytes
        self.drain()

    def _write(self, frames: Sequence[Frame]) -> None:
        self._outlet.write(frames)
        self._blocked_since = None if self._outlet.is_writable else self._clock()

    def _count_dropped(self, frames: Sequence[Frame]) -> None:
        self._dropped.update(count_tails(frames))
        metrics.count_dropped(frames, reason="resync")

    def _replace_backlog(self) -> None:
        self._needs_snapshot = False
        self._pending.extend(self._replies)
        self._pending_bytes += sum(frame.size for frame in self._replies)
        self._replies.clear()
        self._pending.append(_Parts(self._take_snapshot(dict(self._dropped)), self._timestamp))
        self._dropped.clear()

    def _next_frames(self) -> list[Frame]:
        """What the next write takes: several frames joined, but no more than a socket's buffer."""
        frames: list[Frame] = []
        size = 0
        while self._pending and size < WRITE_BYTES:
            item = self._pending[0]
            if isinstance(item, Frame):
                frame = item
                self._pending.popleft()
                self._pending_bytes -= frame.size
            else:
                frame = item.pull()
                if item.is_finished:
                    self._pending.popleft()
                    self._pending_bytes -= item.cost_bytes
            frames.append(frame)
            size += frame.size
        return frames
