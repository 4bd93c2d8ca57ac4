"""How a connection starts, decided without a connection."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.messages import ResumeOutcome, ResumeReason
from realtime.recent import EncodedEvent
from realtime.resuming import Missed, Resume, Start, plan_start
from tests.realtime.fakes import logged

pytestmark = pytest.mark.usefixtures("own_feeds")


def events(*numbers: int) -> list[EncodedEvent]:
    return [EncodedEvent(logged(number)) for number in numbers]


def start(
    *, since: int | None, missed: Missed, stream: str = "s", wants_snapshot: bool = True
) -> Start:
    resume = None if since is None else Resume(stream=stream, since=since, subscription="x")
    return plan_start(
        stream="s", cursor=10, wants_snapshot=wants_snapshot, resume=resume, missed=missed
    )


def test_newcomer_gets_a_snapshot() -> None:
    assert start(since=None, missed=Missed()) == Start("s", 10, ResumeOutcome.SNAPSHOT)


def test_newcomer_who_wants_none_is_live() -> None:
    started = start(since=None, missed=Missed(), wants_snapshot=False)
    assert started == Start("s", 10, ResumeOutcome.LIVE)


def test_nothing_missed_is_live() -> None:
    assert start(since=10, missed=Missed()) == Start("s", 10, ResumeOutcome.LIVE)


def test_what_was_missed_is_replayed() -> None:
    missed = events(9, 10)
    started = start(since=8, missed=Missed(missed))
    assert started == Start("s", 10, ResumeOutcome.REPLAY, events=missed)


@pytest.mark.parametrize("wants_snapshot", [True, False])
@pytest.mark.parametrize("reason", list(ResumeReason))
def test_resume_that_cannot_be_honoured_is_a_snapshot_with_the_reason(
    reason: ResumeReason, wants_snapshot: bool
) -> None:
    started = start(since=8, missed=Missed(reason=reason), wants_snapshot=wants_snapshot)
    assert started == Start("s", 10, ResumeOutcome.SNAPSHOT, reason)


def test_stream_that_changed_meanwhile_is_unknown() -> None:
    started = start(since=10, missed=Missed(), stream="other")
    assert started == Start("s", 10, ResumeOutcome.SNAPSHOT, ResumeReason.UNKNOWN_STREAM)


@pytest.mark.parametrize("numbers", [(), (10,), (9,), (8, 9), (9, 10, 11), (8, 9, 10)])
def test_anything_but_exactly_the_missing_events_is_a_snapshot(numbers: tuple[int, ...]) -> None:
    started = start(since=8, missed=Missed(events(*numbers)))
    assert started == Start("s", 10, ResumeOutcome.SNAPSHOT, ResumeReason.HISTORY_EXPIRED)


def test_cursor_behind_the_client_is_a_snapshot() -> None:
    started = start(since=11, missed=Missed())
    assert started.outcome is ResumeOutcome.SNAPSHOT


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    since=st.integers(0, 12),
    first=st.integers(1, 12),
    count=st.integers(0, 12),
    cursor=st.integers(0, 12),
)
def test_resume_is_never_partial(since: int, first: int, count: int, cursor: int) -> None:
    missed = Missed(events(*range(first, first + count)))
    resume = Resume(stream="s", since=since, subscription="x")
    started = plan_start(
        stream="s", cursor=cursor, wants_snapshot=False, resume=resume, missed=missed
    )
    if started.outcome is not ResumeOutcome.SNAPSHOT:
        replayed = [event.seq for event in started.events]
        assert replayed == list(range(since + 1, cursor + 1))
