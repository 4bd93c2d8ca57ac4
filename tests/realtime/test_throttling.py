"""REST's limits: how many requests a user may make, and an address without credentials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings
from rest_framework.throttling import SimpleRateThrottle

from tests.realtime.people import make_key, make_user

EVENTS = "/api/events/"
TOKEN = "/api/token/"
POSITIONS = "/api/positions/"


@pytest.fixture(autouse=True)
def clock(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The throttles' clock, to set; what they remember is forgotten before and after."""
    present = [1_000.0]
    monkeypatch.setattr(SimpleRateThrottle, "timer", lambda self: present[0])
    cache.clear()
    yield present
    cache.clear()


def get(client: Client, key: str, path: str = EVENTS) -> Any:
    return client.get(path, headers={"authorization": f"Token {key}"})


@pytest.mark.parametrize("path", [EVENTS, POSITIONS])
def test_a_user_who_asks_too_often_is_told_when_to_come_back(
    client: Client, settings: Settings, clock: list[float], path: str
) -> None:
    settings.REALTIME_REST_PER_SECOND = 3
    key = make_key(make_user("bot", "trading.view_position"))
    assert [get(client, key, path).status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = get(client, key, path)
    assert (answer.json()["code"], answer.headers["Retry-After"]) == ("throttled", "1")
    clock[0] += 1
    assert get(client, key, path).status_code == 200


def test_users_have_limits_of_their_own(client: Client, settings: Settings) -> None:
    settings.REALTIME_REST_PER_SECOND = 1
    first, second = (make_key(make_user(name, "trading.view_position")) for name in "ab")
    assert get(client, first).status_code == 200
    assert get(client, first).status_code == 429
    assert get(client, second).status_code == 200


def test_the_tokens_of_one_user_share_its_limit(client: Client, settings: Settings) -> None:
    settings.REALTIME_REST_PER_SECOND = 1
    user = make_user("bot", "trading.view_position")
    assert get(client, make_key(user)).status_code == 200
    assert get(client, make_key(user)).status_code == 429


def ask_for_a_token(client: Client, **headers: str) -> int:
    body = {"username": "nobody", "password": "wrong"}
    return client.post(TOKEN, body, content_type="application/json", **headers).status_code


def test_an_address_without_credentials_has_a_limit(
    client: Client, settings: Settings, clock: list[float]
) -> None:
    settings.REALTIME_REST_ANONYMOUS_PER_MINUTE = 2
    assert [ask_for_a_token(client) for _ in range(3)] == [401, 401, 429]
    # A header names whom the client likes.
    assert ask_for_a_token(client, HTTP_X_FORWARDED_FOR="10.0.0.1") == 429
    assert ask_for_a_token(client, REMOTE_ADDR="10.0.0.2") == 401
    clock[0] += 60
    assert ask_for_a_token(client) == 401


def test_a_user_does_not_share_the_limit_of_its_address(client: Client, settings: Settings) -> None:
    settings.REALTIME_REST_ANONYMOUS_PER_MINUTE = 1
    key = make_key(make_user("bot", "trading.view_position"))
    ask_for_a_token(client)
    assert [get(client, key).status_code for _ in range(2)] == [200, 200]


def test_zero_is_no_limit(client: Client, settings: Settings) -> None:
    settings.REALTIME_REST_PER_SECOND = settings.REALTIME_REST_ANONYMOUS_PER_MINUTE = 0
    key = make_key(make_user("bot", "trading.view_position"))
    assert {get(client, key).status_code for _ in range(150)} == {200}
    assert {ask_for_a_token(client) for _ in range(3)} == {401}
