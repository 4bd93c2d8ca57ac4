"""Tokens: made once, stored as a digest, found in one query, refused for a reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from realtime.auth.tokens import (
    LONGEST_KEY,
    InvalidToken,
    TokenExpired,
    create_token,
    find_token,
    note_use,
)
from realtime.models import ApiToken
from tests.realtime.people import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def user(db: None) -> User:
    return make_user()


def test_key_is_shown_once_and_stored_as_a_digest(user: User) -> None:
    token, key = create_token(user, name="desk")
    assert len(key) == 64
    stored = ApiToken.objects.values().get()
    assert key not in str(stored)
    assert token.name == "desk"
    assert key not in str(token)
    assert "reader" in str(token)


def test_token_is_found_by_its_key_in_one_query(
    user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    create_token(user)
    token, key = create_token(user)
    with django_assert_num_queries(1):
        found = find_token(key)
        assert found.user.is_active
    assert found == token


def test_token_without_a_lifetime_does_not_expire(user: User) -> None:
    token, _ = create_token(user)
    assert token.expiry is None


def test_expired_token_is_refused_as_such(user: User) -> None:
    _, key = create_token(user, lifetime=timedelta(hours=1))
    find_token(key)
    ApiToken.objects.update(expiry=timezone.now())
    with pytest.raises(TokenExpired) as refusal:
        find_token(key)
    assert refusal.value.code == "token_expired"


def test_token_of_an_inactive_user_is_invalid(user: User) -> None:
    _, key = create_token(user)
    User.objects.update(is_active=False)
    with pytest.raises(InvalidToken) as refusal:
        find_token(key)
    assert refusal.value.code == "invalid_token"


def test_token_goes_with_its_user(user: User) -> None:
    _, key = create_token(user)
    user.delete()
    with pytest.raises(InvalidToken):
        find_token(key)


@pytest.mark.parametrize("key", ["", "x", "0" * 64, "x" * LONGEST_KEY, "x" * (LONGEST_KEY + 1)])
def test_unknown_key_is_invalid(user: User, key: str) -> None:
    create_token(user)
    with pytest.raises(InvalidToken):
        find_token(key)


def test_key_that_is_too_long_is_not_even_looked_up(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(0), pytest.raises(InvalidToken):
        find_token("x" * (LONGEST_KEY + 1))


@settings(
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(key=st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_no_key_raises_anything_else(db: None, key: str) -> None:
    with pytest.raises(InvalidToken):
        find_token(key)


def test_use_is_noted_once_a_minute(user: User) -> None:
    token, _ = create_token(user)
    assert token.last_used is None
    note_use(token)
    token.refresh_from_db()
    first = token.last_used
    assert first is not None
    note_use(token)
    token.refresh_from_db()
    assert token.last_used == first
    token.last_used = first - timedelta(minutes=2)
    note_use(token)
    token.refresh_from_db()
    assert token.last_used > first


def test_busy_database_does_not_keep_a_client_out(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, _ = create_token(user)

    def fail(*args: object, **kwargs: object) -> None:
        raise DatabaseError("database is locked")

    monkeypatch.setattr("django.db.models.query.QuerySet.update", fail)
    note_use(token)
