"""Tests of the system logs' admin: by level, module, text and day, on either database."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from realtime.feeds import publish
from realtime.models import Event
from realtime.system_log import publish_log
from tests.browsers import browser_of, count_queries, make_staff, text_of
from tests.realtime.events import append, empty_log, entry

pytestmark = pytest.mark.django_db

LIST = "/admin/realtime/systemlogline/"


@pytest.fixture(autouse=True)
def _lines(db: None) -> None:
    """One line of each level, from two modules, and what must never be mistaken for one."""
    empty_log()
    for level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        module = "trading.executor" if level == "ERROR" else "realtime.relay"
        publish_log(level=level, message=f'It was "{level}", 50% ä', module=module)
    append(entry("a", feed="position_update", data={"level": "ERROR", "message": "no line"}))
    publish_log(level="INFO", message='"level":"ERROR","module":"x"', module="odd\x00module")


def levels(client: Client, query: str = "") -> list[str]:
    answer = client.get(LIST + query)
    assert answer.status_code == 200
    return [json.loads(line.data)["level"] for line in answer.context["cl"].result_list]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["INFO", "CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"]),
        ("?level=ERROR", ["ERROR"]),
        ("?level=INFO", ["INFO", "INFO"]),
        ("?level=WARNING%2B", ["CRITICAL", "ERROR", "WARNING"]),
        ("?level=nonsense", []),
        ("?module=trading.executor", ["ERROR"]),
        ("?module=trading", []),
        ("?module=realtime.relay&level=INFO", ["INFO"]),
        ("?q=warning", ["WARNING"]),
        ("?q=it+was+%22ERROR%22", ["ERROR"]),
        ("?q=50%25", ["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"]),
        ("?q=5_%25", []),
        ("?q=relay", []),
        ("?q=ä&level=ERROR", ["ERROR"]),
        ("?q=%5C", []),
    ],
)
def test_lines_are_found_by_level_module_and_text(
    operator: Client, query: str, found: list[str]
) -> None:
    assert levels(operator, query) == found


def test_module_that_is_called_like_a_level_is_none(operator: Client) -> None:
    publish_log(level="INFO", message="CRITICAL", module="CRITICAL")
    assert levels(operator, "?level=CRITICAL") == ["CRITICAL"]
    assert levels(operator, "?module=CRITICAL") == ["INFO"]


def test_traceback_is_searched_and_shown_too(operator: Client) -> None:
    data = {"level": "ERROR", "module": "m", "message": "failed", "exception": "Traceback: <Boom>"}
    event = publish("system_log", data)
    assert levels(operator, "?q=boom") == ["ERROR"]
    page = operator.get(f"{LIST}{event}/change/")
    assert "&lt;Boom&gt;" in page.content.decode()


def test_line_without_the_usual_fields_is_shown(operator: Client) -> None:
    event = publish("system_log", {"text": "from elsewhere"})
    assert operator.get(LIST).status_code == 200
    assert "from elsewhere" in text_of(operator.get(f"{LIST}{event}/change/"))


@pytest.mark.parametrize("message", ["C:\\u0000dir", "C:\\", "a\x00b", "\\\x00\\"])
def test_text_with_nulls_and_backslashes_breaks_no_search(operator: Client, message: str) -> None:
    publish_log(level="CRITICAL", message=message, module="odd\x00\\")
    assert levels(operator, "?level=CRITICAL") == ["CRITICAL", "CRITICAL"]
    assert levels(operator, "?level=CRITICAL&module=realtime.relay") == ["CRITICAL"]


def test_modules_to_choose_from_are_those_that_spoke(operator: Client) -> None:
    page = text_of(operator.get(f"{LIST}?module=chosen.before"))
    for module in ("trading.executor", "realtime.relay", "chosen.before"):
        assert f"?module={module}" in page


def test_who_may_see_the_feed_may_read_its_lines() -> None:
    reader = browser_of(make_staff("reader", "realtime.view_system_log"))
    assert len(levels(reader)) == 6
    assert "System log lines" in text_of(reader.get("/admin/"))
    other = browser_of(make_staff("other", "realtime.view_event"))
    assert other.get(LIST).status_code == 403
    assert "System log lines" not in text_of(other.get("/admin/"))


def test_lines_are_never_changed(operator: Client) -> None:
    event = Event.objects.filter(feed="system_log")[0]
    for page in ("add/", f"{event.pk}/change/", f"{event.pk}/delete/"):
        assert operator.post(LIST + page, {"post": "yes", "data": "{}"}).status_code == 403


def test_list_takes_as_many_queries_for_few_rows_as_for_a_hundred(operator: Client) -> None:
    few = count_queries(operator, LIST)
    for _ in range(100):
        publish_log(level="INFO", message="x", module="tests")
    assert count_queries(operator, LIST) == few
