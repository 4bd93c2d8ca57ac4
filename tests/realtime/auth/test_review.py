"""The batched look: the same few queries for one connection and for a hundred."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.db import InterfaceError, OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from realtime.auth import review as review_module
from realtime.auth import sessions, user_permissions
from realtime.auth.credentials import Refused
from realtime.auth.grants import Grants
from realtime.auth.jwts import stamp_of
from realtime.auth.proofs import Holder, Proof, ProofKind
from realtime.auth.review import review
from realtime.auth.tokens import create_token
from realtime.auth.user_permissions import preload_permissions
from realtime.feeds import feeds
from realtime.models import ApiToken
from realtime.timestamps import now
from tests.realtime.people import make_user
from trading.models import Account

pytestmark = pytest.mark.django_db

VIEWS = ("trading.view_position", "trading.view_equitysnapshot", "trading.view_riskstatus")
# Tokens, sessions, users, their permissions, their groups, what these allow, accounts.
MOST_QUERIES = 7


def of_token(user: User, **options: Any) -> Holder:
    token, _ = create_token(user, **options)
    return Holder(user.pk, Proof(ProofKind.TOKEN, token.digest))


def of_jwt(user: User) -> Holder:
    expires_at = now() + timedelta(minutes=1)
    return Holder(user.pk, Proof(ProofKind.JWT, stamp_of(user), expires_at))


def session_of(user: User) -> str:
    browser = Client()
    browser.force_login(user)
    return browser.cookies[django_settings.SESSION_COOKIE_NAME].value


def of_session(user: User) -> Holder:
    return Holder(user.pk, Proof(ProofKind.SESSION, session_of(user)))


def make_crowd(count: int) -> list[Holder]:
    """Users with permissions of their own and by groups, accounts, and a credential each."""
    positions, equity, risk = (
        Permission.objects.get(codename=view.partition(".")[2]) for view in VIEWS
    )
    groups = [Group.objects.get_or_create(name=f"group {number}")[0] for number in range(3)]
    for group, permission in zip(groups, (equity, risk, equity), strict=True):
        group.permissions.add(permission)
    account, _ = Account.objects.get_or_create(slug="north")
    holders = []
    for number in range(count):
        user = User.objects.create_user(f"user {User.objects.count()}")
        user.user_permissions.add(positions)
        user.groups.add(groups[number % 3])
        user.trading_accounts.add(account)
        holders += [of_token(user), of_jwt(user), of_session(user)]
    return holders


def test_queries_are_the_same_for_one_connection_and_for_a_hundred() -> None:
    few, many = make_crowd(1), make_crowd(34)
    with CaptureQueriesContext(connection) as for_few:
        assert all(isinstance(found, Grants) for found in review(few).values())
    with CaptureQueriesContext(connection) as for_many:
        found = review(many)
    assert len(many) > 100
    assert set(found) == set(many)
    assert all(isinstance(access, Grants) for access in found.values())
    assert len(for_many) == len(for_few) == MOST_QUERIES


def test_superusers_take_no_query_for_their_permissions() -> None:
    holders = [of_token(User.objects.create_superuser(f"admin {number}")) for number in range(20)]
    with CaptureQueriesContext(connection) as queries:
        found = review(holders)
    assert all(isinstance(access, Grants) for access in found.values())
    assert len(queries) <= 2


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    own=st.sets(st.sampled_from(VIEWS)),
    by_groups=st.lists(st.sets(st.sampled_from(VIEWS)), max_size=3),
    is_superuser=st.booleans(),
)
def test_preloaded_permissions_are_those_that_django_finds(
    db: None, own: set[str], by_groups: list[set[str]], is_superuser: bool
) -> None:
    User.objects.all().delete()
    Group.objects.all().delete()
    user = make_user("reader", *own)
    user.is_superuser = is_superuser
    user.save()
    for number, names in enumerate(by_groups):
        group = Group.objects.create(name=str(number))
        for name in names:
            codename = name.partition(".")[2]
            group.permissions.add(Permission.objects.get(codename=codename))
        user.groups.add(group)
    fresh, preloaded = (User.objects.get(pk=user.pk) for _ in range(2))
    make_user("other", *VIEWS)
    preload_permissions([preloaded, *User.objects.filter(username="other")])
    for view in (*VIEWS, "trading.add_position"):
        assert preloaded.has_perm(view) == fresh.has_perm(view)
    assert preloaded.get_all_permissions() == fresh.get_all_permissions()
    assert preloaded.get_group_permissions() == fresh.get_group_permissions()


class GenerousBackend(ModelBackend):
    """Finds permissions in a way of its own."""

    def _get_user_permissions(self, user_obj: Any) -> Any:
        return Permission.objects.filter(codename="view_riskstatus")


def test_backend_with_a_way_of_its_own_is_asked(settings: Settings) -> None:
    user = make_user("reader", "trading.view_position")
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.GenerousBackend"]
    (found,) = review([of_token(user)]).values()
    assert isinstance(found, Grants)
    assert set(found.scopes) == {"risk_status_update"}


def test_credentials_of_one_user_are_judged_each_by_itself() -> None:
    user = make_user("reader", "trading.view_position")
    kept, gone = of_token(user), of_token(user)
    over = of_token(user, lifetime=timedelta(seconds=-1))
    assert gone.proof is not None
    ApiToken.objects.filter(digest=gone.proof.key).delete()
    found = review([kept, gone, over, Holder(user.pk)])
    codes = {
        holder: access.code if isinstance(access, Refused) else ""
        for holder, access in found.items()
    }
    assert codes == {kept: "", gone: "token_revoked", over: "token_expired", Holder(user.pk): ""}


def test_token_that_ends_says_when(settings: Settings) -> None:
    holder = of_token(make_user("reader", "trading.view_position"), lifetime=timedelta(hours=1))
    (found,) = review([holder]).values()
    assert isinstance(found, Grants)
    assert found.expires_at == ApiToken.objects.get().expiry
    assert found.holder == holder


def test_user_that_is_gone_is_refused_whatever_the_credential() -> None:
    user = make_user("reader", "trading.view_position")
    holders = [of_token(user), of_jwt(user), of_session(user)]
    user.delete()
    codes = [access.code for access in review(holders).values() if isinstance(access, Refused)]
    assert codes == ["permission_denied"] * 3


def test_user_that_is_not_active_sees_no_feed_even_one_for_everybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(type(feeds()["system_log"]), "permission", None)
    holder = of_token(make_user("reader"))
    (before,) = review([holder]).values()
    assert isinstance(before, Grants)
    User.objects.update(is_active=False)
    (after,) = review([holder]).values()
    assert isinstance(after, Refused)
    assert after.code == "permission_denied"


def test_chunks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    holders = make_crowd(5)
    whole = review(holders)
    monkeypatch.setattr(user_permissions, "LARGEST_CHUNK", 2)
    assert review(holders) == whole


@pytest.mark.parametrize("error", [OperationalError("away"), InterfaceError("closed")])
def test_database_that_fails_is_not_taken_for_an_answer(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*args: object) -> None:
        raise error

    holder = of_token(make_user("reader", "trading.view_position"))
    monkeypatch.setattr(review_module, "find_expiries", fail)
    with pytest.raises(type(error)):
        review([holder])


# Sessions.


@pytest.fixture(
    params=[
        "django.contrib.sessions.backends.db",
        "django.contrib.sessions.backends.cached_db",
        "django.contrib.sessions.backends.cache",
        "django.contrib.sessions.backends.signed_cookies",
    ]
)
def engine(request: pytest.FixtureRequest, settings: Settings) -> Iterator[str]:
    settings.SESSION_ENGINE = request.param
    return request.param


def test_session_signs_in_its_user_whatever_keeps_it(engine: str) -> None:
    user = make_user("reader", "trading.view_position")
    key = session_of(user)
    assert sessions.find_session_user(key) == user
    assert sessions.find_signed_in({key: user, "unknown": user}) == {key}
    assert sessions.find_session_user("unknown") is None


def test_session_of_another_user_is_not_taken(engine: str) -> None:
    key = session_of(make_user("reader"))
    assert sessions.find_signed_in({key: make_user("other")}) == set()


def test_session_of_before_a_change_of_password_signs_in_nobody(engine: str) -> None:
    user = make_user("reader")
    key = session_of(user)
    user.set_password("other words")
    user.save()
    assert sessions.find_session_user(key) is None
    assert sessions.find_signed_in({key: user}) == set()


def test_session_outlives_a_rotation_of_the_secret_and_keeps_its_key(settings: Settings) -> None:
    user = make_user("reader")
    key = session_of(user)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret of more than thirty-two characters"
    assert sessions.find_session_user(key) == user
    assert Session.objects.get().pk == key


def test_session_by_a_backend_that_is_no_longer_used_signs_in_nobody(settings: Settings) -> None:
    user = make_user("reader")
    key = session_of(user)
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.GenerousBackend"]
    assert sessions.find_session_user(key) is None
    assert sessions.find_signed_in({key: user}) == set()
