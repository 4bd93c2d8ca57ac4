"""A change and its event are one transaction, and the event is the row as the database has it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import DatabaseError, connection, models, transaction
from django.db.models import F
from pytest_django import DjangoCaptureOnCommitCallbacks

from realtime import relay
from realtime.changes import WrongDatabase
from realtime.feeds import ModelFeed, feeds
from realtime.models import Event
from realtime.rereading import reread
from tests.realtime.events import empty_log, number_all, published, rolled_back
from tests.realtime.rows import make_position, mark_closed, mark_open, new_position
from trading.models import Account, Position
from trading.serializers import PositionSerializer

pytestmark = pytest.mark.django_db

Published = list[tuple[str, str, dict[str, Any]]]


@pytest.fixture
def position(db: None) -> Position:
    """A saved position in a log that has forgotten it."""
    made = make_position()
    empty_log()
    return made


def serialised(position: Position) -> dict[str, Any]:
    """The row, read and serialised in the ordinary way."""
    row = Position.objects.get(pk=position.pk)
    data: dict[str, Any] = json.loads(json.dumps(dict(PositionSerializer(row).data)))
    return data


def test_creating_a_row_publishes_it(db: None) -> None:
    empty_log()
    position = make_position()
    assert published() == [("created", str(position.pk), serialised(position))]


def test_saving_a_row_publishes_it_whole(position: Position) -> None:
    position.symbol = "ETH/USDT"
    position.save()
    assert published() == [("updated", str(position.pk), serialised(position))]
    assert published()[0][2]["symbol"] == "ETH/USDT"


def test_event_is_numbered_and_live(position: Position) -> None:
    position.save()
    number_all()
    event = Event.objects.get()
    assert (event.seq, event.feed, event.live) == (1, "position_update", True)


def test_event_holds_the_row_and_not_the_callers_stale_instance(position: Position) -> None:
    stale = Position.objects.get(pk=position.pk)
    position.symbol = "ETH/USDT"
    position.save()
    stale.strategy_id = "carry"
    stale.save(update_fields=["strategy_id"])
    _, _, data = published()[-1]
    assert (data["symbol"], data["strategy_id"]) == ("ETH/USDT", "carry")
    assert data == serialised(position)


def test_fields_that_were_not_saved_are_not_published(position: Position) -> None:
    position.symbol = "ETH/USDT"
    position.strategy_id = "carry"
    position.save(update_fields=["strategy_id"])
    assert published()[-1][2]["symbol"] == "BTC/USDT"


def test_saving_no_field_publishes_nothing(position: Position) -> None:
    position.save(update_fields=[])
    assert published() == []


def test_expression_is_published_as_what_it_came_to(position: Position) -> None:
    position.spot_quantity = F("spot_quantity") * 2
    position.save(update_fields=["spot_quantity"])
    assert published()[-1][2]["spot_quantity"] == "0.2"


def test_decimals_are_published_as_the_column_rounds_them(position: Position) -> None:
    position.fees = Decimal("1.123456789")
    position.save()
    data = published()[-1][2]
    assert data["fees"] == serialised(position)["fees"]
    assert len(data["fees"]) == len("1.12345679")


def test_row_that_ends_its_life_is_closed_and_so_are_later_corrections(
    position: Position,
) -> None:
    mark_closed(position)
    position.save()
    position.close_reason = "corrected"
    position.save()
    assert [action for action, _, _ in published()] == ["closed", "closed"]
    assert not Event.objects.filter(live=True).exists()


def test_row_that_comes_to_life_again_is_updated(position: Position) -> None:
    mark_closed(position)
    position.save()
    mark_open(position)
    position.save()
    assert [action for action, _, _ in published()] == ["closed", "updated"]


def test_row_created_closed_was_never_live(db: None) -> None:
    empty_log()
    position = new_position()
    mark_closed(position)
    position.save()
    assert [action for action, _, _ in published()] == ["closed"]


def test_deleted_row_is_published_as_it_was(position: Position) -> None:
    before = serialised(position)
    key = str(position.pk)
    position.symbol = "never/saved"
    position.delete()
    assert published() == [("deleted", key, before)]
    assert not Event.objects.get().live


def test_row_that_is_already_gone_is_not_deleted_twice(position: Position) -> None:
    stale = Position.objects.get(pk=position.pk)
    position.delete()
    stale.delete()
    assert [action for action, _, _ in published()] == ["deleted"]


def test_saving_a_row_that_was_deleted_meanwhile_creates_it(position: Position) -> None:
    stale = Position.objects.get(pk=position.pk)
    position.delete()
    stale.save()
    assert [action for action, _, _ in published()] == ["deleted", "created"]


def test_forced_update_of_a_missing_row_publishes_nothing(position: Position) -> None:
    stale = Position.objects.get(pk=position.pk)
    Position.objects.filter(pk=position.pk).delete()
    empty_log()
    with pytest.raises(DatabaseError), transaction.atomic():
        stale.save(force_update=True)
    assert published() == []


def test_cascade_publishes_each_row_that_goes(db: None) -> None:
    from trading.services import record_equity

    Account.objects.create(pk="second")
    record_equity(account="second", total_equity="1000")
    empty_log()
    Account.objects.get(pk="second").delete()
    number_all()
    events = Event.objects.values_list("feed", "key", "action")
    assert set(events) == {
        ("equity_update", "second", "deleted"),
        ("risk_status_update", "second", "deleted"),
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda position: position.save(),
        lambda position: position.delete(),
        lambda position: make_position(),
    ],
    ids=["save", "delete", "create"],
)
def test_rolled_back_change_leaves_no_event(
    position: Position, change: Callable[[Position], object]
) -> None:
    key = position.pk
    with rolled_back():
        change(position)
        assert len(published()) == 1
    assert published() == []
    assert list(Position.objects.values_list("pk", flat=True)) == [key]


def test_rolled_back_savepoint_takes_its_own_events_alone(position: Position) -> None:
    with transaction.atomic():
        position.strategy_id = "first"
        position.save()
        with rolled_back():
            position.strategy_id = "second"
            position.save()
        position.strategy_id = "third"
        position.save()
    assert [data["strategy_id"] for _, _, data in published()] == ["first", "third"]


class BrokenSerializer(PositionSerializer):
    """Cannot show what it is given."""

    def to_representation(self, instance: Any) -> Any:
        raise ZeroDivisionError


@pytest.mark.parametrize("action", ["save", "delete"])
def test_failing_serializer_fails_the_write(
    position: Position, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setattr(feeds()["position_update"], "_serializer", BrokenSerializer())
    position.strategy_id = "lost"
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        getattr(position, action)()
    assert published() == []
    assert Position.objects.get(pk=position.pk).strategy_id == ""


def test_data_that_is_no_json_fails_the_write(
    position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = feeds()["position_update"]
    assert isinstance(feed, ModelFeed)
    monkeypatch.setattr(
        feed, "data", lambda row: {"position_id": row.pk, "bid": Decimal(1)}, raising=True
    )
    with pytest.raises(TypeError), transaction.atomic():
        position.save()
    assert published() == []


@pytest.mark.django_db(transaction=True)
def test_failing_serializer_fails_a_save_that_stands_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a transaction around it, where Django sends `post_save` after the commit."""
    position = make_position()
    monkeypatch.setattr(feeds()["position_update"], "_serializer", BrokenSerializer())
    position.strategy_id = "lost"
    with pytest.raises(ZeroDivisionError):
        position.save()
    assert Position.objects.get(pk=position.pk).strategy_id == ""
    with pytest.raises(ZeroDivisionError):
        position.delete()
    assert Position.objects.filter(pk=position.pk).exists()
    monkeypatch.undo()
    assert [action for action, _, _ in published()] == ["created"]


def test_fixtures_do_not_publish(position: Position, tmp_path: Path) -> None:
    position.strategy_id = "restored"
    text = serializers.serialize("json", [position])
    fixture = tmp_path / "rows.json"
    fixture.write_text(text, encoding="utf-8")
    call_command("loaddata", str(fixture), verbosity=0)
    assert Position.objects.get(pk=position.pk).strategy_id == "restored"
    assert published() == []


def test_writing_on_another_database_is_refused(position: Position) -> None:
    for write in (position.save, position.delete):
        with pytest.raises(WrongDatabase, match="REALTIME_DATABASE"):
            write(using="elsewhere")
    assert published() == []


def test_relay_is_woken_by_the_commit_and_not_before_it(
    position: Position,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    woken: list[bool] = []
    monkeypatch.setattr(relay, "wake", lambda: woken.append(True))
    with django_capture_on_commit_callbacks(execute=True):
        position.save()
        assert woken == []
    assert woken


def test_failing_wake_does_not_reach_the_writer(
    position: Position,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(relay, "wake", fail)
    with django_capture_on_commit_callbacks(execute=True):
        position.save()
    assert len(published()) == 1
    assert "ZeroDivisionError" in caplog.text


def test_save_costs_one_reading_and_one_writing_more(position: Position) -> None:
    position.save()
    with CountedQueries() as queries:
        position.save()
    # SQLite numbers at once.
    most = 4 if connection.vendor == "sqlite" else 3
    own = [sql for sql in queries.statements if not sql.startswith(("SAVEPOINT", "RELEASE"))]
    assert len(own) <= most, own


class CountedQueries:
    """The statements that the test's connection runs inside the `with`."""

    def __enter__(self) -> CountedQueries:
        self.statements: list[str] = []
        self._wrapper = connection.execute_wrapper(self._note)
        self._wrapper.__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        self._wrapper.__exit__(*details)

    def _note(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.statements.append(sql)
        return execute(sql, params, many, context)


def test_manager_that_hides_rows_does_not_hide_what_was_written(
    position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        type(Position.objects), "get_queryset", lambda self: models.QuerySet(self.model).none()
    )
    assert not Position.objects.filter(pk=position.pk).exists()
    assert reread(Position, position.pk, using="default") == position


def test_each_kind_of_bulk_write_publishes_each_row_once(position: Position) -> None:
    other = make_position(symbol="ETH/USDT")
    both = {str(position.pk), str(other.pk)}
    rows = Position.objects.filter(pk__in=both)
    newest = Event.objects.order_by("-id").values_list("id", flat=True)

    before = newest[0]
    assert rows.update(strategy_id="a") == 2
    assert {(action, key) for action, key, _ in published(before)} == {
        ("updated", key) for key in both
    }
    assert all(data["strategy_id"] == "a" for _, _, data in published(before))
    assert len(published(before)) == 2

    before = newest[0]
    for row in rows:
        row.strategy_id = "b"
    Position.objects.bulk_update([position, other], ["strategy_id"])
    assert len(published(before)) == 2

    before = newest[0]
    made = [new_position(position_id=uuid.uuid4()) for _ in range(3)]
    Position.objects.bulk_create(made)
    assert [(action, key) for action, key, _ in published(before)] == [
        ("created", str(row.pk)) for row in made
    ]

    before = newest[0]
    rows.delete()
    assert {(action, key) for action, key, _ in published(before)} == {
        ("deleted", key) for key in both
    }
    assert len(published(before)) == 2
