"""Commands: what they print, what they publish, and what nonsense they refuse."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import QuerySet
from pytest_django import Settings

from realtime import log, relay
from realtime.auth.tokens import create_token, find_token
from realtime.feeds import feeds
from realtime.management.commands.create_token import read_lifetime
from realtime.models import ApiToken, Event
from realtime.timestamps import isoformat, now
from tests.realtime.events import append, empty_log, entry, number_all
from tests.realtime.people import make_user
from tests.realtime.rows import make_position
from trading.models import Position

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def deadlines(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Draining succeeds at once; the deadlines that commands gave it."""
    given: list[float] = []

    def drain(*, deadline_seconds: float) -> bool:
        given.append(deadline_seconds)
        return True

    monkeypatch.setattr(relay, "drain", drain)
    empty_log()
    return given


def run(*arguments: str) -> tuple[str, str]:
    """Run a command; returns what it printed, and its notes."""
    stdout, stderr = StringIO(), StringIO()
    call_command(*arguments, stdout=stdout, stderr=stderr)
    return stdout.getvalue(), stderr.getvalue()


# broadcast


def test_broadcast_publishes_one_event_and_names_it(deadlines: list[float]) -> None:
    data = {"position_id": "7c9e", "symbol": "BTC/USDT"}
    printed, _ = run("broadcast", "--feed", "position_update", "--data", json.dumps(data))
    event = Event.objects.get()
    assert printed.strip() == f"position_update: event {event.pk}"
    assert (event.feed, event.key, event.action, event.live) == (
        "position_update",
        "7c9e",
        "updated",
        True,
    )
    assert json.loads(event.data) == data
    assert len(deadlines) == 1


def test_broadcast_takes_an_action() -> None:
    data = '{"position_id": "7c9e"}'
    run("broadcast", "--feed", "position_update", "--data", data, "--action", "closed")
    assert not Event.objects.get().live


def test_broadcast_publishes_a_log_line() -> None:
    run("broadcast", "--log", "warning", "Attention, please")
    event = Event.objects.get()
    data = json.loads(event.data)
    assert (event.feed, data["level"], data["message"]) == (
        "system_log",
        "WARNING",
        "Attention, please",
    )


def test_broadcast_test_sends_one_of_each_feed_and_leaves_no_object() -> None:
    printed, _ = run("broadcast", "--test")
    assert {line.partition(":")[0] for line in printed.splitlines()} == set(feeds())
    assert set(Event.objects.values_list("feed", flat=True)) == set(feeds())
    number_all()
    _, state = log.state(keyless_feeds=["system_log"])
    assert [event.feed for event in state] == ["system_log"]
    position = json.loads(Event.objects.get(feed="position_update").data)
    assert position["test"] is True
    assert "symbol" in position


def test_broadcast_says_when_it_could_not_hand_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "drain", lambda *, deadline_seconds: False)
    _, notes = run("broadcast", "--log", "INFO", "x")
    assert "Committed" in notes


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--feed", "position_update"],
        ["--feed", "nothing", "--data", "{}"],
        ["--feed", "position_update", "--data", "nonsense"],
        ["--feed", "position_update", "--data", "[]"],
        ["--feed", "position_update", "--data", "7"],
        ["--feed", "position_update", "--data", "{}"],
        ["--feed", "position_update", "--data", '{"position_id": ""}'],
        ["--feed", "position_update", "--data", '{"position_id": null}'],
        ["--feed", "position_update", "--data", "[" * 50_000],
        ["--feed", "position_update", "--data", '{"position_id": "a", "x": "\\ud800"}'],
        ["--feed", "position_update", "--data", '{"position_id": "a\\u0000"}'],
        ["--feed", "position_update", "--data", json.dumps({"position_id": "x" * 201})],
        ["--feed", "position_update", "--data", '{"position_id": "a", "x": NaN}'],
        ["--feed", "position_update", "--data", '{"position_id": "a"}', "--action", "left"],
        ["--log", "LOUD", "text"],
        ["--log", "INFO"],
        ["--data", "{}"],
        ["--test", "--data", "{}"],
        ["--test", "--log", "INFO", "x"],
    ],
    ids=lambda arguments: " ".join(arguments)[:60],
)
def test_broadcast_refuses_nonsense_and_publishes_nothing(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        run("broadcast", *arguments)
    assert not Event.objects.exists()


# create_token


def test_create_token_prints_the_key_alone() -> None:
    user = make_user("operator")
    printed, notes = run("create_token", "operator", "--name", "desk")
    assert find_token(printed.strip()).user == user
    assert "only now" in notes
    assert ApiToken.objects.get().name == "desk"


@pytest.mark.parametrize("name", ["nobody", "", " ", "x" * 5000, "-"])
def test_create_token_for_nobody_is_refused(name: str) -> None:
    with pytest.raises(CommandError):
        run("create_token", "--", name)
    assert not ApiToken.objects.exists()


def test_create_token_for_an_inactive_user_is_refused() -> None:
    make_user("operator")
    User.objects.update(is_active=False)
    with pytest.raises(CommandError, match="not active"):
        run("create_token", "operator")


def test_name_that_no_column_holds_is_refused() -> None:
    make_user("operator")
    with pytest.raises(CommandError, match="100"):
        run("create_token", "operator", "--name", "x" * 101)
    assert not ApiToken.objects.exists()


MOMENT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "lifetime"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("45m", timedelta(minutes=45)),
        (" 2w ", timedelta(weeks=2)),
        ("2026-11-26", timedelta(hours=12)),
        ("2026-11-25T18:30", timedelta(hours=6, minutes=30)),
        ("2026-11-25T18:30:00Z", timedelta(hours=6, minutes=30)),
        ("2026-11-25T18:30+01:00", timedelta(hours=5, minutes=30)),
    ],
)
def test_end_of_a_token_is_a_length_a_day_or_a_time(text: str, lifetime: timedelta) -> None:
    assert read_lifetime(text, moment=MOMENT) == lifetime


@pytest.mark.parametrize(
    "text",
    [
        *("", "d", "30", "0d", "-1d", "1.5h", "30 d", "tomorrow", "2026-02-30", "2026-13-01"),
        *("2026-11-25T25:00", "2026-11-25", "2020-01-01", "9999999d", "9999-01-01", "1d1h", "nan"),
    ],
)
def test_end_that_is_none_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(CommandError, match=r"^--expires .+\.$"):
        read_lifetime(text, moment=MOMENT)


def test_token_gets_its_end_and_says_it() -> None:
    make_user("operator")
    printed, notes = run("create_token", "operator", "--expires", "30d")
    expiry = find_token(printed.strip()).expiry
    assert timedelta(days=29) < expiry - now() <= timedelta(days=30)
    assert isoformat(expiry) in notes


def test_token_with_nonsense_for_an_end_is_not_made() -> None:
    make_user("operator")
    with pytest.raises(CommandError):
        run("create_token", "operator", "--expires", "soon")
    assert not ApiToken.objects.exists()


# revoke_token


@pytest.fixture
def keys() -> dict[str, str]:
    """Keys by the names of their tokens."""
    users = {name: make_user(name) for name in ("ann", "bob")}
    owners = {"screen": "ann", "bot": "ann", "": "bob"}
    return {name: create_token(users[owner], name=name)[1] for name, owner in owners.items()}


def left() -> set[str]:
    return set(ApiToken.objects.values_list("name", flat=True))


@pytest.mark.parametrize("length", [6, 15, 64])
def test_revoke_token_by_how_its_key_begins(keys: dict[str, str], length: int) -> None:
    printed, _ = run("revoke_token", keys["bot"][:length])
    assert printed == f"Revoked {keys['bot'][:15]}… of ann, called 'bot'.\n"
    assert left() == {"screen", ""}


def test_revoke_token_by_user_revokes_all_of_it(
    keys: dict[str, str], deadlines: list[float]
) -> None:
    printed, _ = run("revoke_token", "--user", "ann")
    assert len(printed.splitlines()) == 2
    assert left() == {""}
    assert deadlines


def test_revoke_token_by_name(keys: dict[str, str]) -> None:
    run("revoke_token", "--name", "screen")
    assert left() == {"bot", ""}
    printed, _ = run("revoke_token", "--user", "bob", "--name", "")
    assert printed == f"Revoked {keys[''][:15]}… of bob.\n"
    assert left() == {"bot"}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["short"],
        ["unknown-key"],
        ["f" * 64],
        ["%%%%%%"],
        ["abcdef", "--user", "ann"],
        ["abcdef", "--name", "bot"],
        ["--user", "nobody"],
        ["--user", "bob", "--name", "bot"],
        ["--name", "nothing"],
    ],
    ids=" ".join,
)
def test_revoke_token_refuses_nonsense_with_a_sentence_and_revokes_nothing(
    keys: dict[str, str], arguments: list[str]
) -> None:
    with pytest.raises(CommandError, match=r"\.$"):
        run("revoke_token", *arguments)
    assert left() == {"screen", "bot", ""}


def test_revoke_token_takes_the_one_that_is_meant(keys: dict[str, str]) -> None:
    ApiToken.objects.update(token_key="abcdefabcdefabc")
    with pytest.raises(CommandError, match="Several"):
        run("revoke_token", "abcdef")
    run("revoke_token", keys["bot"])
    assert left() == {"screen", ""}


# resync, prune_events, new_stream


def change_unseen(position: Position, **changes: Any) -> None:
    """Change a row past everything that publishes, as raw SQL does."""
    QuerySet(Position).filter(pk=position.pk).update(**changes)


def test_resync_publishes_what_no_event_tells_of() -> None:
    same, changed = make_position(), make_position()
    append(entry("gone", feed="position_update"))
    change_unseen(changed, symbol="ETH/USDT")
    newest = Event.objects.order_by("-id").values_list("id", flat=True)[0]

    printed, _ = run("resync", "position_update", "--dry-run")
    assert printed.strip() == "position_update: 2 rows, 1 to publish, 1 gone"
    assert not Event.objects.filter(id__gt=newest).exists()

    printed, _ = run("resync", "position_update")
    assert printed.strip() == "position_update: 2 rows, 1 published, 1 gone"
    published = Event.objects.filter(id__gt=newest).values_list("key", "action")
    assert set(published) == {(str(changed.pk), "updated"), ("gone", "deleted")}
    assert str(same.pk) not in dict(published)

    printed, _ = run("resync", "position_update")
    assert "0 published, 0 gone" in printed


def test_resync_makes_rows_from_before_part_of_snapshots() -> None:
    position = make_position()
    empty_log()
    run("resync")
    number_all()
    _, state = log.state(keyless_feeds=[])
    assert [event.key for event in state] == [str(position.pk)]


def test_resync_of_a_feed_without_a_model_is_refused() -> None:
    with pytest.raises(CommandError, match="position_update"):
        run("resync", "system_log")


def test_prune_events_prunes_to_the_end(settings: Settings) -> None:
    append(*(entry("A") for _ in range(5)))
    settings.REALTIME_HISTORY_HOURS = 1.0
    Event.objects.filter(seq__lte=3).update(created_at=now() - timedelta(hours=2))
    printed, _ = run("prune_events")
    assert printed.startswith("3 events removed")
    assert log.position().floor == 4


def test_new_stream_prints_the_identity() -> None:
    before = log.position().identity
    printed, _ = run("new_stream")
    assert printed.strip() == log.position().identity != before
