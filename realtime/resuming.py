"""How a connection starts: live, by a replay, or by a snapshot and why. Pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from realtime.messages import ResumeOutcome, ResumeReason
from realtime.recent import EncodedEvent


@dataclass(frozen=True, slots=True)
class Resume:
    """What a returning client presents, as the server gave it."""

    stream: str
    since: int
    subscription: str


@dataclass(frozen=True, slots=True)
class Missed:
    """The events after a resume's `since`, or the reason why they cannot be had."""

    events: Sequence[EncodedEvent] = field(default=())
    reason: ResumeReason | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """How one connection starts: at `seq` of `stream`."""

    stream: str
    seq: int
    outcome: ResumeOutcome
    reason: ResumeReason | None = None
    events: Sequence[EncodedEvent] = field(default=())


def plan_start(
    *,
    stream: str,
    cursor: int,
    wants_snapshot: bool,
    resume: Resume | None,
    missed: Missed,
) -> Start:
    """Decide how to start at `cursor`; `missed` belongs to `resume`.

    A resume that is honoured starts with exactly the missing events; any other with a snapshot,
    which a client gets then even when it asked for none: it would have a gap.
    """
    if resume is None:
        outcome = ResumeOutcome.SNAPSHOT if wants_snapshot else ResumeOutcome.LIVE
        return Start(stream, cursor, outcome)
    reason = missed.reason
    if reason is None and resume.stream != stream:
        reason = ResumeReason.UNKNOWN_STREAM
    if reason is None and _is_incomplete(resume, missed, cursor):
        reason = ResumeReason.HISTORY_EXPIRED
    if reason is not None:
        return Start(stream, cursor, ResumeOutcome.SNAPSHOT, reason)
    if not missed.events:
        return Start(stream, cursor, ResumeOutcome.LIVE)
    return Start(stream, cursor, ResumeOutcome.REPLAY, events=missed.events)


def _is_incomplete(resume: Resume, missed: Missed, cursor: int) -> bool:
    expected = cursor - resume.since
    if len(missed.events) != expected:
        return True
    return bool(expected) and missed.events[0].seq != resume.since + 1
