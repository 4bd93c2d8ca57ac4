"""Tests of the events' admin: found, read, published again, and never changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext

from realtime.feeds import feeds
from realtime.log import Action
from realtime.models import Event
from realtime.system_log import publish_log
from tests.browsers import browser_of, count_queries, logged, make_staff, text_of, told
from tests.realtime.events import append, empty_log, entry
from tests.realtime.rows import make_position
from trading.models import Account, Position

pytestmark = pytest.mark.django_db

LIST = "/admin/realtime/event/"
NOON = datetime(2024, 1, 15, 12, 0, tzinfo=UTC)
READ = ("realtime.view_event", "trading.view_position", "realtime.view_system_log")
PUBLISH = "realtime.publish_event"


@pytest.fixture(autouse=True)
def _empty_log(db: None) -> None:
    empty_log()


def listed(client: Client, query: str = "") -> list[Event]:
    answer = client.get(LIST + query)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def keys(client: Client, query: str = "") -> list[str]:
    return [event.key for event in listed(client, query)]


def newest() -> Event:
    event = Event.objects.order_by("-id").first()
    assert event is not None
    return event


def publish_again(client: Client, event: Event) -> Any:
    return client.post(f"{LIST}{event.pk}/publish-again/", follow=True)


# Reading


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["", "b", "a"]),
        ("?feed=position_update", ["b", "a"]),
        ("?feed=system_log", [""]),
        ("?feed=nonsense", []),
        ("?action_is=closed", ["b"]),
        ("?q=a", ["a"]),
        ("?q=A", []),
        ("?q=nothing", []),
        ("?feed=position_update&q=b", ["b"]),
    ],
)
def test_events_are_found_by_feed_action_and_key(
    operator: Client, query: str, found: list[str]
) -> None:
    append(entry("a", feed="position_update"))
    append(entry("b", feed="position_update", action=Action.CLOSED, live=False))
    publish_log(level="INFO", message="x", module="tests")
    assert keys(operator, query) == found


def test_event_is_found_by_its_number(operator: Client) -> None:
    [event] = append(entry("a", feed="position_update"))
    assert keys(operator, f"?q={event.seq}") == ["a"]
    assert keys(operator, f"?q={10**30}") == []


def test_events_are_found_by_day(operator: Client) -> None:
    events = append(*(entry(f"k{day}", feed="position_update") for day in range(6)))
    for day, event in enumerate(events):
        QuerySet(Event).filter(pk=event.id).update(created_at=NOON + timedelta(days=day))
    query = "?created_at__year=2024&created_at__month=1"
    assert keys(operator, query) == ["k5", "k4", "k3", "k2", "k1", "k0"]
    assert keys(operator, f"{query}&created_at__day=17") == ["k2"]
    assert keys(operator, "?created_at__year=2023") == []
    page = operator.get(f"{LIST}{query}")
    assert [link.title for link in page.context["cl"].dates.choices] == [
        f"January {day}" for day in range(15, 21)
    ]


def test_day_is_found_by_its_ids_and_no_list_by_reading_the_table(operator: Client) -> None:
    append(*(entry(f"k{index}", feed="position_update") for index in range(3)))
    day = f"{newest().created_at:created_at__year=%Y&created_at__month=%m&created_at__day=%d}"
    with CaptureQueriesContext(connection) as queries:
        assert len(keys(operator, f"?{day}")) == 3
    about_events = [query["sql"] for query in queries if '"realtime_event"' in query["sql"]]
    of_the_list = [sql for sql in about_events if '"created_at" >=' in sql]
    assert of_the_list
    assert all('"id" >=' in sql and '"id" <' in sql for sql in of_the_list)
    assert not [sql for sql in about_events if "DISTINCT" in sql or "MIN(" in sql]


def test_event_is_shown_with_its_data_on_lines(operator: Client) -> None:
    publish_log(level="INFO", message="<b>bold</b>", module="tests")
    page = operator.get(f"{LIST}{newest().pk}/change/").content.decode()
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>bold" not in page
    assert '  "level": "INFO",' in text_of(operator.get(f"{LIST}{newest().pk}/change/"))


def test_unnumbered_event_says_so(operator: Client) -> None:
    append(entry("a", feed="position_update"))
    QuerySet(Event).update(seq=None)
    assert "not yet" in text_of(operator.get(LIST))


@pytest.mark.parametrize("page", ["add/", "{pk}/change/", "{pk}/delete/"])
def test_events_are_never_changed(operator: Client, page: str) -> None:
    append(entry("a", feed="position_update"))
    before = list(Event.objects.values())
    path = LIST + page.format(pk=newest().pk)
    assert operator.post(path, {"post": "yes", "key": "b", "data": "{}"}).status_code == 403
    form = {"action": "delete_selected", "_selected_action": [newest().pk], "post": "yes"}
    operator.post(LIST, form)
    assert list(Event.objects.values()) == before


def test_list_takes_as_many_queries_for_one_row_as_for_a_hundred(operator: Client) -> None:
    append(entry("a", feed="position_update"))
    one = count_queries(operator, LIST)
    append(*(entry(f"k{index}", feed="position_update") for index in range(100)))
    assert count_queries(operator, LIST) == one


# Who sees what


def append_of(account: str, name: str) -> None:
    append(entry(name, feed="position_update", data={"position_id": name, "account": account}))


def test_events_are_those_of_the_feeds_and_accounts_that_the_stream_would_show() -> None:
    member = make_staff("member", *READ)
    Account.objects.create(pk="north").members.add(member)
    append_of("north", "ours")
    append_of("south", "theirs")
    append_of('north"', "odd")
    append(
        entry(
            "a trick", feed="position_update", data={"account": "south", "x": '"account":"north"'}
        )
    )
    append(entry("north", feed="equity_update", data={"account": "north"}))
    publish_log(level="INFO", message="for all", module="tests")
    browser = browser_of(member)
    assert keys(browser) == ["", "ours"]
    assert keys(browser, "?feed=equity_update") == []
    theirs = Event.objects.get(key="theirs")
    assert browser.get(f"{LIST}{theirs.pk}/change/").status_code == 302
    assert browser.get(f"{LIST}{theirs.pk}/publish-again/").status_code in {403, 404}


def test_who_may_view_all_accounts_sees_the_feeds_whole() -> None:
    append_of("north", "one")
    append_of("south", "other")
    chief = browser_of(make_staff("chief", "trading.view_all_accounts", *READ))
    assert keys(chief) == ["other", "one"]


def test_what_an_object_was_before_is_not_told_to_whom_the_stream_does_not_tell_it(
    operator: Client,
) -> None:
    member = make_staff("member", *READ)
    Account.objects.create(pk="north").members.add(member)
    fields = ("account",)
    for account in ("south", "north"):
        data = {"position_id": "moved", "account": account}
        append(entry("moved", feed="position_update", data=data, filter_fields=fields))
    page = f"{LIST}{newest().pk}/change/"
    assert "south" in text_of(operator.get(page))
    assert "moved" in text_of(browser_of(member).get(page))
    assert "south" not in text_of(browser_of(member).get(page))


def test_superuser_sees_events_of_feeds_that_are_gone(operator: Client) -> None:
    append(entry("a", feed="once_there"))
    assert keys(operator) == ["a"]


# Publishing again


def test_object_is_published_again_as_it_is_now(operator: Client) -> None:
    position = make_position()
    event = newest()
    QuerySet(Position).filter(pk=position.pk).update(strategy_id="by hand")
    answer = publish_again(operator, event)
    again = newest()
    assert again.pk > event.pk
    assert (again.feed, again.key, again.action) == ("position_update", str(position.pk), "updated")
    assert json.loads(again.data)["strategy_id"] == "by hand"
    assert f"as event {again.pk}" in told(answer)[0]
    assert logged() == [("operator", str(event.pk), f"Published again as event {again.pk}.")]


def test_object_that_is_gone_is_refused_and_said_so(operator: Client) -> None:
    position = make_position()
    event = newest()
    QuerySet(Position).filter(pk=position.pk)._raw_delete("default")  # type: ignore[attr-defined]
    answer = publish_again(operator, event)
    assert told(answer) == [
        f"Not published: position_update has no object '{position.pk}' any more."
    ]
    assert newest() == event
    assert logged() == []


def test_chosen_objects_are_published_once_each(operator: Client) -> None:
    position = make_position()
    position.save()
    publish_log(level="INFO", message="again", module="tests")
    chosen = list(Event.objects.order_by("id"))
    form = {
        "action": "publish_selected_again",
        "_selected_action": [str(event.pk) for event in chosen],
    }
    operator.post(LIST, form)
    published = Event.objects.filter(id__gt=chosen[-1].pk).order_by("id")
    assert [(event.feed, event.key) for event in published] == [
        ("position_update", str(position.pk)),
        ("system_log", ""),
    ]


def test_more_than_a_hundred_are_refused_at_once(operator: Client) -> None:
    append(*(entry(f"k{index}", feed="position_update") for index in range(101)))
    before = newest()
    form = {"action": "publish_selected_again", "_selected_action": [str(before.pk)]}
    answer = operator.post(LIST, {**form, "index": "0", "select_across": "1"}, follow=True)
    assert told(answer) == ["Publish at most 100 events at a time."]
    assert newest() == before


def test_looking_publishes_nothing(operator: Client) -> None:
    make_position()
    event = newest()
    page = operator.get(f"{LIST}{event.pk}/publish-again/")
    assert page.status_code == 200
    assert event.key in text_of(page)
    assert newest() == event


@pytest.mark.parametrize("permissions", [READ, ("trading.view_position", PUBLISH)], ids=str)
def test_publishing_needs_its_permission_and_sight_of_the_event(
    permissions: tuple[str, ...],
) -> None:
    make_position()
    event = newest()
    browser = browser_of(make_staff("person", "trading.view_all_accounts", *permissions))
    assert publish_again(browser, event).status_code == 403
    form = {"action": "publish_selected_again", "_selected_action": [str(event.pk)]}
    browser.post(LIST, form)
    assert newest() == event


def test_event_that_is_not_there_is_a_404(operator: Client) -> None:
    assert operator.get(f"{LIST}77/publish-again/").status_code == 404


# Test broadcast

BROADCAST = f"{LIST}broadcast/"


def test_line_is_broadcast_and_the_log_says_who(operator: Client) -> None:
    form = {"what": "line", "level": "WARNING", "message": "Going home"}
    answer = operator.post(BROADCAST, form, follow=True)
    event = newest()
    data = json.loads(event.data)
    assert (data["level"], data["message"], data["module"]) == (
        "WARNING",
        "Going home",
        "broadcast",
    )
    assert told(answer) == [f"Sent. system_log: event {event.pk}."]
    assert logged() == [("operator", str(event.pk), "Test broadcast.")]


def test_each_feed_has_its_test_event(operator: Client) -> None:
    operator.post(BROADCAST, {"what": "each", "level": "INFO", "message": ""})
    assert set(Event.objects.values_list("feed", flat=True)) == set(feeds())
    assert set(Event.objects.exclude(feed="system_log").values_list("live", flat=True)) == {False}
    assert len(logged()) == len(feeds())


@pytest.mark.parametrize("form", [{}, {"what": "line", "level": "LOUD"}, {"what": "all"}], ids=str)
def test_broadcast_that_makes_no_sense_is_shown_again(
    operator: Client, form: dict[str, str]
) -> None:
    page = operator.post(BROADCAST, {"message": "Still here", **form})
    assert page.status_code == 200
    assert 'value="Still here"' in text_of(page)
    assert not Event.objects.exists()


def test_broadcast_needs_its_permission() -> None:
    browser = browser_of(make_staff("person", *READ))
    assert BROADCAST not in text_of(browser.get(LIST))
    form = {"what": "line", "level": "INFO", "message": "x"}
    assert browser.get(BROADCAST).status_code == 403
    assert browser.post(BROADCAST, form).status_code == 403
    assert not Event.objects.exists()


def test_who_may_publish_broadcasts_without_being_a_superuser() -> None:
    browser = browser_of(make_staff("person", PUBLISH, *READ))
    assert BROADCAST in text_of(browser.get(LIST))
    browser.post(BROADCAST, {"what": "line", "level": "INFO", "message": "x"})
    assert newest().feed == "system_log"
