"""Tests of finding a time in the log: as a look at every event would, in one statement."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from realtime import log
from realtime.models import Event
from tests.realtime.events import append, empty_log, entry

pytestmark = pytest.mark.django_db

NOON = datetime(2024, 1, 15, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _empty_log(db: None) -> None:
    empty_log()


def fill(minutes: list[int]) -> list[Event]:
    """Events at these minutes after noon."""
    events = append(*(entry(f"k{index}") for index in range(len(minutes))))
    for event, minute in zip(events, minutes, strict=True):
        at = NOON + timedelta(minutes=minute)
        QuerySet(Event).filter(pk=event.id).update(created_at=at)
    return list(Event.objects.order_by("id"))


def looked_up(moment: datetime) -> list[int]:
    return list(Event.objects.filter(created_at__gte=moment).values_list("id", flat=True))


def test_empty_log_has_no_place() -> None:
    assert log.first_id_since(NOON) == 0


def test_place_is_where_a_look_at_every_event_finds_it() -> None:
    dice = random.Random(7)
    events = fill(sorted(dice.randrange(200) for _ in range(60)))
    # Pruning leaves holes.
    QuerySet(Event).filter(pk__in=[event.pk for event in dice.sample(events, 30)]).delete()
    for minute in range(-1, 202):
        moment = NOON + timedelta(minutes=minute)
        since = log.first_id_since(moment)
        found = Event.objects.filter(id__gte=since).values_list("id", flat=True)
        assert sorted(found) == sorted(looked_up(moment)), minute


def test_two_writers_in_another_order_are_both_found() -> None:
    events = fill([0, 10, 20])
    swapped = NOON + timedelta(minutes=10)
    QuerySet(Event).filter(pk=events[1].pk).update(created_at=swapped + timedelta(seconds=3))
    QuerySet(Event).filter(pk=events[2].pk).update(created_at=swapped)
    first, end = log.ids_between(swapped, swapped + timedelta(seconds=2))
    assert first <= events[2].pk < end


def test_place_is_found_by_one_statement() -> None:
    fill(list(range(20)))
    with CaptureQueriesContext(connection) as queries:
        log.first_id_since(NOON + timedelta(minutes=7))
    assert len(queries) == 1
