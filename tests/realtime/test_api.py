"""REST of the stream: a token for a password, and the events in order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from realtime import log
from realtime.auth.tokens import find_token
from realtime.feeds import publish
from realtime.models import ApiToken, Event
from realtime.rest import LARGEST_PAGE
from realtime.system_log import publish_log
from tests.realtime.events import empty_log, number_all
from tests.realtime.people import make_key, make_user

pytestmark = pytest.mark.django_db


# Tokens.


def ask_for_token(client: Client, body: Any) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post("/api/token/", text, content_type="application/json")


def test_password_gives_a_token(client: Client) -> None:
    user = make_user("operator")
    answer = ask_for_token(client, {"username": "operator", "password": "secret words"})
    assert answer.status_code == 200
    assert set(answer.json()) == {"token"}
    assert find_token(answer.json()["token"]).user == user
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"username": "nobody"}])
def test_wrong_password_is_a_401(client: Client, change: dict[str, str]) -> None:
    make_user("operator")
    given = {"username": "operator", "password": "secret words"} | change
    answer = ask_for_token(client, given)
    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_credentials"
    assert answer.headers["WWW-Authenticate"]
    assert not ApiToken.objects.exists()


def test_inactive_user_gets_none(client: Client) -> None:
    make_user("operator")
    User.objects.update(is_active=False)
    given = {"username": "operator", "password": "secret words"}
    assert ask_for_token(client, given).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        "{",
        {"username": "operator"},
        {"username": "", "password": ""},
        {"username": ["operator"], "password": {"a": 1}},
        {"username": 7, "password": None},
    ],
)
def test_bad_body_is_a_400(client: Client, body: Any) -> None:
    answer = ask_for_token(client, body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message", "fields"}


@pytest.mark.parametrize("name", ["oper\x00ator", "\x00", "x" * 10_000, "é" * 200])
def test_strange_name_is_a_wrong_one(client: Client, name: str) -> None:
    answer = ask_for_token(client, {"username": name, "password": "x\x00"})
    assert answer.status_code in {400, 401}


def test_asking_for_a_token_is_a_post(client: Client) -> None:
    assert client.get("/api/token/").status_code == 405


# Events.


@pytest.fixture
def reader(client: Client) -> Client:
    """A client that may see positions and logs."""
    empty_log()
    user = make_user(
        "reader",
        "trading.view_position",
        "trading.view_all_accounts",
        "realtime.view_system_log",
    )
    client.defaults["HTTP_AUTHORIZATION"] = f"Token {make_key(user)}"
    return client


def write(count: int) -> None:
    for number in range(count):
        publish_log(level="INFO", message=str(number), module="tests")
    number_all()


def events(client: Client, **query: Any) -> Any:
    answer = client.get("/api/events/", query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_events_are_the_messages_of_the_wire_in_order(reader: Client) -> None:
    write(2)
    body = events(reader)
    assert set(body) == {"stream", "head", "results", "next"}
    assert body["stream"] == log.position().identity
    assert (body["head"], body["next"]) == (2, None)
    assert [message["seq"] for message in body["results"]] == [1, 2]
    message = body["results"][0]
    assert set(message) == {"type", "timestamp", "seq", "event", "action", "data"}
    assert message["event"] == Event.objects.get(seq=1).pk


def test_since_is_the_number_before_the_first(reader: Client) -> None:
    write(3)
    assert [message["seq"] for message in events(reader, since=2)["results"]] == [3]
    assert events(reader, since=3)["results"] == []


def test_since_beyond_the_head_does_not_move_the_head(reader: Client) -> None:
    write(3)
    body = events(reader, since=1000)
    assert (body["head"], body["next"], body["results"]) == (3, None, [])


def test_pages_follow_each_other_to_the_head(reader: Client) -> None:
    log.append(
        [
            log.Entry("system_log", "", log.Action.CREATED, True, '{"level":"INFO"}')
            for _ in range(LARGEST_PAGE + 3)
        ]
    )
    number_all()
    first = events(reader)
    assert (len(first["results"]), first["next"]) == (LARGEST_PAGE, LARGEST_PAGE)
    second = events(reader, since=first["next"])
    assert (len(second["results"]), second["next"]) == (3, None)


def test_page_of_events_that_are_not_ours_is_empty_and_goes_on(reader: Client) -> None:
    for _ in range(2):
        publish("equity_update", {"account": "default"})
    write(1)
    body = events(reader)
    assert [message["seq"] for message in body["results"]] == [3]


def test_feeds_can_be_chosen(reader: Client) -> None:
    publish("position_update", {"position_id": "1"})
    write(1)
    body = events(reader, feeds="position_update")
    assert [message["type"] for message in body["results"]] == ["position_update"]
    assert events(reader, feeds="")["results"] == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"since": "x"}, 400, "invalid_value"),
        ({"since": "-1"}, 400, "invalid_value"),
        ({"since": "1" * 19}, 400, "invalid_value"),
        ({"since": "٣"}, 400, "invalid_value"),
        ({"feeds": "nothing"}, 400, "invalid_value"),
        ({"feeds": "equity_update"}, 403, "permission_denied"),
    ],
)
def test_bad_questions(reader: Client, query: dict[str, str], status: int, code: str) -> None:
    answer = reader.get("/api/events/", query)
    assert answer.status_code == status
    assert answer.json()["code"] == code


def test_history_that_is_gone_is_a_410(reader: Client, settings: Settings) -> None:
    write(5)
    settings.REALTIME_HISTORY_EVENTS = 2
    log.prune()
    answer = reader.get("/api/events/", {"since": 2})
    assert answer.status_code == 410
    assert answer.json()["code"] == "history_expired"
    assert [message["seq"] for message in events(reader, since=3)["results"]] == [4, 5]


def test_history_with_a_hole_is_a_410(reader: Client) -> None:
    write(3)
    Event.objects.filter(seq=2).delete()
    assert reader.get("/api/events/").status_code == 410


def test_stranger_is_a_401(client: Client) -> None:
    assert client.get("/api/events/").status_code == 401
