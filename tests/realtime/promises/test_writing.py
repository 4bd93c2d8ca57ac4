"""Writing: event and row are one, each change is published once, and numbers have no hole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from realtime import log
from realtime.log.database import STREAM_TABLE
from realtime.models import Event
from tests.realtime.events import empty_log, entry, number_all, published
from tests.realtime.rows import make_position
from trading.models import Position

PATIENCE_SECONDS = 30.0

Write = Callable[[Position], object]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("write", "action"),
    [
        (lambda p: Position.objects.update_or_create(pk=p.pk, defaults=CHANGE), "updated"),
        (
            lambda p: Position.objects.select_for_update().filter(pk=p.pk).update(**CHANGE),
            "updated",
        ),
        (lambda p: Position.objects.bulk_update([change(p)], list(CHANGE)), "updated"),
        (lambda p: Position.objects.filter(pk=p.pk).delete(), "deleted"),
        (lambda p: p.delete(), "deleted"),
    ],
    ids=["update_or_create", "update", "bulk_update", "delete_many", "delete"],
)
def test_each_change_is_published_once(write: Write, action: str) -> None:
    position = make_position()
    key = str(position.pk)
    empty_log()
    write(position)
    assert [(found, about) for found, about, _ in published()] == [(action, key)]


CHANGE: dict[str, Any] = {"strategy_id": "carry"}


def change(position: Position) -> Position:
    """The position with the change, not saved."""
    for name, value in CHANGE.items():
        setattr(position, name, value)
    return position


@pytest.mark.django_db
def test_get_or_create_publishes_what_it_creates_and_nothing_else() -> None:
    position = make_position()
    empty_log()
    Position.objects.get_or_create(pk=position.pk)
    assert published() == []
    values = {field.attname: getattr(position, field.attname) for field in position._meta.fields}
    key = values.pop("position_id")
    Position.objects.filter(pk=key).delete()
    empty_log()
    Position.objects.get_or_create(pk=key, defaults=values)
    assert [(action, about) for action, about, _ in published()] == [("created", str(key))]


@pytest.mark.django_db
def test_event_holds_the_whole_row_however_little_was_saved() -> None:
    position = make_position()
    whole = set(published()[-1][2])
    position.strategy_id = "carry"
    position.save(update_fields=["strategy_id"])
    assert set(published()[-1][2]) == whole


@pytest.mark.django_db(transaction=True)
def test_append_that_fails_half_way_leaves_no_hole() -> None:
    empty_log()
    log.position()
    broken = replace(entry(), data=None)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError):
        log.append([broken])
    number_all()
    assert log.position().head == 0
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_relay_that_waited_for_another_numbers_only_what_that_one_left() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("numbers are given after the commit on PostgreSQL only")
    empty_log()
    log.position()
    log.append([entry("first")])
    failures: list[BaseException] = []

    def relay() -> None:
        try:
            log.number(10)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    waiting = threading.Thread(target=relay)
    with transaction.atomic():
        log.number(10)
        waiting.start()
        wait_until_somebody_waits_for_the_stream()
    waiting.join(PATIENCE_SECONDS)
    assert failures == []
    assert [(event.seq, event.key) for event in log.read(0, 10)] == [(1, "first")]
    assert log.position().head == 1


def wait_until_somebody_waits_for_the_stream() -> None:
    """Return when another connection waits for a lock that this one holds."""
    waits = threading.Event()
    question = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        f"AND wait_event_type = 'Lock' AND query LIKE '%{STREAM_TABLE}%'"
    )
    for _ in range(1000):
        with connection.cursor() as cursor:
            # Within a transaction the view is otherwise a picture of its first look.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(question)
            (count,) = cursor.fetchone()
        if count:
            return
        waits.wait(0.01)
    raise AssertionError("nobody waits for the lock")
