"""Who guesses is slowed down: logins by name and address, unknown tokens by address."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from pytest_django import Settings

from realtime.auth import guessing
from realtime.auth.guessing import (
    ADDRESS_FACTOR,
    LONGEST_HOLD_SECONDS,
    address_of_scope,
    count_unknown_token,
    hold_seconds,
)
from realtime.auth.jwts import issue_jwts
from tests.realtime.fakes import FakeClock
from tests.realtime.people import make_key, make_user

PASSWORD = "secret words"
ATTEMPTS = 3
SECONDS = 30.0
LOGINS = ("/api/token/", "/api/jwt/")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    settings.REALTIME_LOGIN_ATTEMPTS = ATTEMPTS
    settings.REALTIME_LOGIN_WAIT_SECONDS = SECONDS
    made = FakeClock()
    monkeypatch.setattr(guessing._attempts, "_clock", made)
    return made


@pytest.fixture
def reader() -> User:
    return make_user("reader", "trading.view_position")


def log_in(path: str, name: str, password: str, *, address: str = "192.0.2.1") -> Any:
    return Client(REMOTE_ADDR=address).post(
        path,
        json.dumps({"username": name, "password": password}),
        content_type="application/json",
    )


def ask(key: str, *, address: str = "192.0.2.1") -> Any:
    client = Client(REMOTE_ADDR=address)
    return client.get("/api/events/", headers={"authorization": f"Token {key}"})


@pytest.mark.parametrize("path", LOGINS)
def test_name_that_failed_too_often_waits_wherever_it_is_tried(
    reader: User, clock: FakeClock, path: str
) -> None:
    for number in range(ATTEMPTS):
        answer = log_in(path, "reader", "wrong", address=f"192.0.2.{number}")
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    answer = log_in(path, "Reader", PASSWORD, address="198.51.100.1")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "30"
    assert answer.json()["code"] == "throttled"
    assert answer.json()["message"]
    clock.pass_seconds(SECONDS)
    assert log_in(path, "reader", PASSWORD).status_code == 200


def test_password_is_not_looked_at_meanwhile(reader: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(ATTEMPTS):
        log_in(LOGINS[0], "reader", "wrong")

    def fail(*args: object, **kwargs: object) -> None:
        raise AssertionError

    monkeypatch.setattr(guessing, "authenticate", fail)
    assert log_in(LOGINS[0], "reader", PASSWORD).status_code == 429


def test_ways_to_log_in_count_together(reader: User) -> None:
    for number in range(ATTEMPTS):
        assert log_in(LOGINS[number % 2], "reader", "wrong").status_code == 401
    assert {log_in(path, "reader", PASSWORD).status_code for path in LOGINS} == {429}


def test_login_that_succeeds_gives_the_name_its_attempts_back(reader: User) -> None:
    for _ in range(3):
        for _ in range(ATTEMPTS - 1):
            log_in(LOGINS[0], "reader", "wrong", address="192.0.2.7")
        assert log_in(LOGINS[0], "reader", PASSWORD).status_code == 200


def test_logins_that_succeed_never_wait(reader: User) -> None:
    for _ in range(2 * ATTEMPTS * ADDRESS_FACTOR):
        assert log_in(LOGINS[0], "reader", PASSWORD).status_code == 200


def test_address_that_tries_many_names_waits_and_others_do_not(reader: User) -> None:
    for number in range(ATTEMPTS * ADDRESS_FACTOR):
        assert log_in(LOGINS[0], f"name{number}", "x").status_code == 401
    answer = log_in(LOGINS[0], "reader", PASSWORD)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "6")
    assert log_in(LOGINS[0], "reader", PASSWORD, address="198.51.100.1").status_code == 200


def test_network_of_version_6_is_one_address(reader: User) -> None:
    for number in range(ATTEMPTS * ADDRESS_FACTOR):
        log_in(LOGINS[0], f"name{number}", "x", address=f"2001:db8:0:1::{number:x}")
    address = "2001:db8:0:1:ffff::1"
    assert log_in(LOGINS[0], "reader", PASSWORD, address=address).status_code == 429
    address = "2001:db8:0:2::1"
    assert log_in(LOGINS[0], "reader", PASSWORD, address=address).status_code == 200


def test_admin_login_waits_and_says_so() -> None:
    admin = User.objects.create_superuser("admin", password=PASSWORD)
    form = {"username": "admin", "password": "wrong"}
    browser = Client()
    for _ in range(ATTEMPTS):
        assert "Too many" not in browser.post("/admin/login/", form).content.decode()
    answer = browser.post("/admin/login/", {**form, "password": PASSWORD})
    assert "Too many failed logins. Try again in 30 seconds." in answer.content.decode()
    assert "_auth_user_id" not in browser.session
    guessing.forget_all()
    browser.post("/admin/login/", {**form, "password": PASSWORD})
    assert browser.session["_auth_user_id"] == str(admin.pk)


def test_admin_login_that_lacks_something_does_not_count() -> None:
    for _ in range(2 * ATTEMPTS):
        answer = Client().post("/admin/login/", {"username": "admin", "password": ""})
        assert "Too many" not in answer.content.decode()
    assert len(guessing._attempts) == 0


def test_unknown_tokens_of_an_address_get_429_and_good_ones_are_let_in(
    reader: User, clock: FakeClock
) -> None:
    good, jwt = make_key(reader), issue_jwts(reader)["access"]
    for _ in range(ATTEMPTS * ADDRESS_FACTOR):
        assert ask("unknown").status_code == 401
    answer = ask("unknown")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "6")
    assert answer.json()["code"] == "throttled"
    # A good one is never locked out: not from elsewhere, nor from there, where others may be.
    assert {ask(key).status_code for key in (good, jwt)} == {200}
    assert ask(good, address="198.51.100.1").status_code == 200
    assert ask("unknown", address="198.51.100.1").status_code == 401
    clock.pass_seconds(6)
    assert ask("unknown").status_code == 401


def test_refresh_of_nonsense_counts_as_an_unknown_token() -> None:
    body = json.dumps({"refresh": "a.b.c"})
    for _ in range(ATTEMPTS * ADDRESS_FACTOR):
        answer = Client().post("/api/jwt/refresh/", body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    answer = Client().post("/api/jwt/refresh/", body, content_type="application/json")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"]


def test_unknown_tokens_do_not_keep_anybody_from_logging_in(reader: User) -> None:
    for _ in range(2 * ATTEMPTS * ADDRESS_FACTOR):
        ask("unknown")
    assert log_in(LOGINS[0], "reader", PASSWORD).status_code == 200


def test_refused_handshake_is_held_back_and_not_for_long(settings: Settings) -> None:
    settings.REALTIME_LOGIN_WAIT_SECONDS = 5.0
    for _ in range(ATTEMPTS * ADDRESS_FACTOR):
        assert hold_seconds("192.0.2.1") == 0
    assert 0 < hold_seconds("192.0.2.1") <= 1
    settings.REALTIME_LOGIN_WAIT_SECONDS = 3600.0
    for _ in range(ATTEMPTS * ADDRESS_FACTOR):
        hold_seconds("192.0.2.2")
    assert hold_seconds("192.0.2.2") == LONGEST_HOLD_SECONDS
    assert hold_seconds("192.0.2.3") == 0


def test_address_of_a_connection_may_be_unknown() -> None:
    assert address_of_scope({"client": ["192.0.2.1", 5000]}) == "192.0.2.1"
    assert address_of_scope({"client": None}) == address_of_scope({}) == ""
    count_unknown_token("")
    count_unknown_token("not an address")


def test_whatever_is_sent_as_a_name_takes_little_memory() -> None:
    request = RequestFactory().post("/")
    for name in ("x" * 1_000_000, "\ud800", "\u0000"):
        guessing.try_login(request, username=name, check=lambda: None)
    assert all(len(key) == 64 for key in guessing._attempts._whole_at)
