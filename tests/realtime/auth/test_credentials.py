"""Who opens a connection: where credentials are looked for, and who is refused why."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from realtime.auth import credentials as auth
from realtime.auth.credentials import Credentials, Refused, origin_is_allowed, read_credentials
from realtime.auth.grants import Grants
from tests.realtime.people import make_key, make_user

HOST = "127.0.0.1:8000"
ORIGIN = f"http://{HOST}"
# So late that the check should long have been given up.
LATE_SECONDS = 3.0


def scope(*, protocols: tuple[str, ...] = (), **headers: str) -> dict[str, Any]:
    return {
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "subprotocols": list(protocols),
    }


def grant(credentials: Credentials) -> Grants:
    """What the thread that checks credentials does."""
    return auth._authenticate(credentials)


def refusal_of(credentials: Credentials) -> Refused:
    with pytest.raises(Refused) as refusal:
        grant(credentials)
    assert refusal.value.text
    return refusal.value


# Where credentials are.


@pytest.mark.parametrize("header", ["Token KEY", "Bearer KEY", "token KEY", "  BEARER   KEY  "])
def test_token_in_the_header(header: str) -> None:
    assert read_credentials(scope(authorization=header), query_token=None).token == "KEY"


@pytest.mark.parametrize("header", ["", "KEY", "Token", "Token ", "Basic KEY", "Token: KEY"])
def test_header_that_is_none_of_ours_is_not_passed_over(header: str) -> None:
    credentials = read_credentials(
        scope(protocols=("bearer.OTHER",), authorization=header), query_token="OTHER"
    )
    assert credentials == Credentials(is_malformed=True)


def test_first_that_is_present_counts() -> None:
    everything = scope(
        protocols=("realtime.v1", "bearer.PROTOCOL"),
        authorization="Token HEADER",
        cookie="sessionid=COOKIE",
    )
    assert read_credentials(everything, query_token="QUERY").token == "HEADER"
    everything["headers"] = everything["headers"][1:]
    assert read_credentials(everything, query_token="QUERY").token == "PROTOCOL"
    everything["subprotocols"] = ["realtime.v1"]
    assert read_credentials(everything, query_token="QUERY") == Credentials(token="QUERY")
    found = read_credentials(everything, query_token=None)
    assert found == Credentials(session_key="COOKIE")


def test_session_comes_with_where_its_page_is_from() -> None:
    found = read_credentials(
        scope(cookie="a=b; sessionid=COOKIE", origin=ORIGIN, host=HOST), query_token=None
    )
    assert found == Credentials(session_key="COOKIE", origin=ORIGIN, host=HOST)


@pytest.mark.parametrize(
    "cookie",
    ["", "other=1", "sessionid", "\xff=\xfe;;", "a=b; =; c", 'sessionid="null\\000character"'],
)
def test_no_session_in_other_cookies(cookie: str) -> None:
    assert read_credentials(scope(cookie=cookie), query_token=None).session_key is None


def test_scope_may_lack_everything() -> None:
    assert read_credentials({}, query_token=None) == Credentials()


@given(header=st.binary(max_size=60), cookie=st.binary(max_size=60))
def test_no_header_raises(header: bytes, cookie: bytes) -> None:
    raw = {"headers": [(b"cookie", cookie), (b"origin", header)]}
    read_credentials(raw, query_token=None)
    read_credentials({"headers": [(b"authorization", header)]}, query_token=None)


# Who is let in.


@pytest.mark.django_db
def test_token_gives_what_its_user_may_see() -> None:
    user = make_user("operator", "trading.view_position", "realtime.view_system_log")
    grants = grant(Credentials(token=make_key(user)))
    assert set(grants.scopes) == {"position_update", "system_log"}
    assert (grants.user_name, grants.user_pk) == ("operator", user.pk)
    assert grants.expires_at is None


@pytest.mark.django_db
def test_superuser_sees_every_feed() -> None:
    user = make_user()
    User.objects.update(is_superuser=True)
    grants = grant(Credentials(token=make_key(user)))
    assert {"position_update", "equity_update", "risk_status_update", "system_log"} <= set(
        grants.scopes
    )


@pytest.mark.django_db
def test_use_of_the_token_is_noted() -> None:
    user = make_user("operator", "trading.view_position")
    key = make_key(user)
    grant(Credentials(token=key))
    assert user.auth_token_set.get().last_used is not None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        (Credentials(), "authentication_required"),
        (Credentials(is_malformed=True), "invalid_token"),
        (Credentials(token="unknown"), "invalid_token"),
        (Credentials(token=""), "invalid_token"),
        (Credentials(session_key="unknown-session"), "authentication_required"),
        (Credentials(session_key=""), "authentication_required"),
        (Credentials(session_key="x" * 5000), "authentication_required"),
    ],
)
def test_refusals(credentials: Credentials, code: str) -> None:
    assert refusal_of(credentials).code == code


@pytest.mark.django_db
def test_user_without_any_feed_is_refused_and_told_what_is_missing() -> None:
    refusal = refusal_of(Credentials(token=make_key(make_user())))
    assert refusal.code == "permission_denied"
    assert "reader" in refusal.text


# Anonymous clients.


@pytest.mark.django_db
def test_anonymous_client_is_let_in_with_a_warning(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REALTIME_ALLOW_ANONYMOUS = True
    with caplog.at_level(logging.WARNING, "realtime.auth.credentials"):
        grants = grant(Credentials())
    assert set(grants.scopes) >= {"position_update", "system_log"}
    assert (grants.user_name, grants.user_pk) == ("anonymous", None)
    assert "REALTIME_ALLOW_ANONYMOUS" in caplog.text


@pytest.mark.django_db
def test_anonymous_client_sees_the_named_feeds_alone(settings: Settings) -> None:
    settings.REALTIME_ALLOW_ANONYMOUS = True
    settings.REALTIME_ANONYMOUS_FEEDS = ("system_log", "unknown")
    assert set(grant(Credentials()).scopes) == {"system_log"}


@pytest.mark.django_db
def test_bad_token_is_refused_where_anonymous_clients_are_let_in(settings: Settings) -> None:
    settings.REALTIME_ALLOW_ANONYMOUS = True
    assert refusal_of(Credentials(token="unknown")).code == "invalid_token"
    assert refusal_of(Credentials(is_malformed=True)).code == "invalid_token"


# Sessions.


@pytest.fixture
def session_key(db: None) -> str:
    browser = Client()
    browser.force_login(make_user("operator", "trading.view_position"))
    return browser.cookies[django_settings.SESSION_COOKIE_NAME].value


def test_signed_in_user_is_let_in_from_our_own_page(session_key: str) -> None:
    grants = grant(Credentials(session_key=session_key, origin=ORIGIN, host=HOST))
    assert grants.user_name == "operator"


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "http://evil.example",
        "http://127.0.0.1:9000",
        "http://127.0.0.1",
        "http://[",
        "http://127.0.0.1:8000.evil.example",
    ],
)
def test_signed_in_user_is_refused_from_any_other_page(
    session_key: str, origin: str | None
) -> None:
    refusal = refusal_of(Credentials(session_key=session_key, origin=origin, host=HOST))
    assert refusal.code == "origin_not_allowed"


def test_session_of_nobody_is_no_credential(db: None) -> None:
    session = SessionStore()
    session.create()
    refusal = refusal_of(Credentials(session_key=session.session_key, origin=ORIGIN, host=HOST))
    assert refusal.code == "authentication_required"


@pytest.mark.parametrize(
    ("origin", "host", "is_allowed"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("https://127.0.0.1", "127.0.0.1", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://evil.example", "evil.example", False),
        ("https://desk.example", HOST, True),
        ("http://desk.example", HOST, False),
        ("https://desk.example.evil", HOST, False),
        ("http://localhost:8000", "localhost:8001", False),
    ],
)
def test_origins(settings: Settings, origin: str, host: str, is_allowed: bool) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
    settings.REALTIME_ALLOWED_ORIGINS = ("https://desk.example",)
    assert origin_is_allowed(origin, host=host) is is_allowed


def test_empty_allowed_hosts_mean_loopback_in_development_only(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = []
    settings.DEBUG = True
    assert origin_is_allowed("http://localhost:8000", host="localhost:8000")
    assert not origin_is_allowed("http://desk.example", host="desk.example")
    settings.DEBUG = False
    assert not origin_is_allowed("http://localhost:8000", host="localhost:8000")


@pytest.mark.django_db(transaction=True)
async def test_credentials_are_checked_in_a_thread_that_keeps_no_connection() -> None:
    with pytest.raises(Refused) as refusal:
        await auth.authenticate(Credentials(token="unknown"))
    assert refusal.value.code == "invalid_token"


async def test_whoever_waits_for_a_silent_database_is_told_so_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_answer = threading.Event()

    def answer_late(credentials: Credentials) -> Grants:
        may_answer.wait(LATE_SECONDS)
        raise AssertionError("nobody waits for it any more")

    monkeypatch.setattr(auth, "_authenticate", answer_late)
    monkeypatch.setattr(auth, "CHECK_SECONDS", 0.05)
    # More than there are threads: those in the queue are told, too.
    checks = [auth.authenticate(Credentials(token="any")) for _ in range(2 * auth.THREADS)]
    try:
        answers = await asyncio.gather(*checks, return_exceptions=True)
    finally:
        may_answer.set()
    assert [type(answer) for answer in answers] == [TimeoutError] * len(checks)
