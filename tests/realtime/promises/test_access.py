"""Who is let in: each way in that is closed stays closed, and no credential is logged."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import Settings

from realtime.auth.credentials import Credentials, Refused, authenticate
from realtime.auth.grants import Grants
from realtime.auth.tokens import create_token
from realtime.daphne.server import RealtimeServer

pytestmark = pytest.mark.django_db(transaction=True)

OWN_HOST = "localhost:8000"
OWN_ORIGIN = f"http://{OWN_HOST}"


@pytest.fixture
def reader() -> User:
    """A user who may see positions."""
    made = User.objects.create_user("reader")
    made.user_permissions.add(Permission.objects.get(codename="view_position"))
    return made


def let_in(credentials: Credentials) -> Grants:
    return asyncio.run(authenticate(credentials))


def refusal(credentials: Credentials) -> str:
    """The code with which these credentials are refused."""
    with pytest.raises(Refused) as caught:
        let_in(credentials)
    return caught.value.code


def session_of(user: User) -> str:
    """The key of a session in which the user is signed in."""
    browser = Client()
    browser.force_login(user)
    return browser.cookies[django_settings.SESSION_COOKIE_NAME].value


def test_token_opens_the_feeds_that_its_user_may_see_and_no_others(reader: User) -> None:
    _, key = create_token(reader)
    found = let_in(Credentials(token=key))
    assert (found.user_name, set(found.scopes)) == ("reader", {"position_update"})


def test_user_who_may_see_nothing_is_refused() -> None:
    _, key = create_token(User.objects.create_user("stranger"))
    assert refusal(Credentials(token=key)) == "permission_denied"


def test_token_that_has_expired_is_refused(reader: User) -> None:
    _, key = create_token(reader, lifetime=timedelta(seconds=-1))
    assert refusal(Credentials(token=key)) == "token_expired"


def test_token_of_a_user_who_is_no_longer_active_is_refused(reader: User) -> None:
    _, key = create_token(reader)
    reader.is_active = False
    reader.save()
    assert refusal(Credentials(token=key)) == "invalid_token"


@pytest.mark.parametrize("token", ["", "unknown", "x" * 1000])
def test_token_that_is_not_known_is_refused(token: str) -> None:
    assert refusal(Credentials(token=token)) == "invalid_token"


def test_header_that_is_none_of_ours_is_refused_whatever_else_is_there(settings: Settings) -> None:
    settings.REALTIME_ALLOW_ANONYMOUS = True
    assert refusal(Credentials(is_malformed=True)) == "invalid_token"


def test_session_opens_the_stream_to_the_services_own_pages(reader: User) -> None:
    credentials = Credentials(session_key=session_of(reader), origin=OWN_ORIGIN, host=OWN_HOST)
    assert let_in(credentials).user_name == "reader"


@pytest.mark.parametrize(
    "origin", ["https://elsewhere.example", "http://localhost:9000", "null", None]
)
def test_session_does_not_open_the_stream_to_other_pages(reader: User, origin: str | None) -> None:
    credentials = Credentials(session_key=session_of(reader), origin=origin, host=OWN_HOST)
    assert refusal(credentials) == "origin_not_allowed"


def test_nobody_is_let_in_without_credentials() -> None:
    assert refusal(Credentials()) == "authentication_required"
    assert refusal(Credentials(session_key="unknown", origin=OWN_ORIGIN)) == (
        "authentication_required"
    )


def test_access_log_does_not_show_the_token() -> None:
    shown: list[dict[str, Any]] = []
    server = RealtimeServer.__new__(RealtimeServer)
    server.action_logger = lambda protocol, action, details: shown.append(details)
    details = {"path": "/ws?feeds=system_log&token=abcdef0123456789", "client": "127.0.0.1"}
    server.log_action("websocket", "connected", details)
    assert shown == [{"path": "/ws?feeds=system_log&token=***", "client": "127.0.0.1"}]
