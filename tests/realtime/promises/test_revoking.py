"""What takes access away ends or narrows live connections: at once, and by the re-check."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.db import OperationalError, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from realtime.auth import rechecks
from realtime.auth.jwts import issue_jwts
from realtime.auth.tokens import create_token
from realtime.feeds import feeds
from realtime.models import ApiToken
from realtime.testing import StreamClient

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "secret words"
ORIGIN = {"Origin": "http://localhost:8000", "Host": "localhost:8000"}
POSITIONS, LOGS = "position_update", "system_log"
SHORT_SECONDS = 0.2

Change = Callable[[User], Any]


@pytest.fixture
def analyst() -> User:
    """A user who may see logs by itself, and positions by its group."""
    made = User.objects.create_user("analyst", password=PASSWORD)
    made.user_permissions.add(permission("view_system_log"))
    group = Group.objects.create(name="desk")
    group.permissions.add(permission("view_position"))
    made.groups.add(group)
    return made


@pytest.fixture
def short(settings: Settings) -> None:
    """The re-check comes soon."""
    settings.REALTIME_RECHECK_SECONDS = SHORT_SECONDS


def permission(codename: str) -> Permission:
    return Permission.objects.get(codename=codename)


def by_token(user: User) -> StreamClient:
    return StreamClient(token=create_token(user)[1])


def by_jwt(user: User) -> StreamClient:
    return StreamClient(token=issue_jwts(user)["access"])


def by_session(user: User) -> StreamClient:
    browser = Client()
    browser.force_login(user)
    key = browser.cookies[django_settings.SESSION_COOKIE_NAME].value
    return StreamClient(headers={**ORIGIN, "Cookie": f"sessionid={key}"})


WAYS = {"token": by_token, "jwt": by_jwt, "session": by_session}


async def change(made: Change, user: User) -> None:
    await sync_to_async(made)(user)


async def ends_with(way: str, user: User, made: Change) -> str:
    """The code with which a connection ends after a change."""
    client = await sync_to_async(WAYS[way])(user)
    async with client:
        assert set(client.welcome["feeds"]) == {POSITIONS, LOGS}
        await client.receive("snapshot")
        await change(made, user)
        error = await client.receive()
    assert (error["type"], error["fatal"]) == ("error", True)
    return str(error["code"])


async def goes_on(way: str, user: User, made: Change) -> None:
    """A change concerns a connection no more than any other would."""
    client = await sync_to_async(WAYS[way])(user)
    async with client:
        await client.receive("snapshot")
        await change(made, user)
        # The look that a change of everybody's asks for comes after that of this one.
        await asyncio.sleep(2 * SHORT_SECONDS)
        await client.send({"action": "ping", "id": 1})
        assert (await client.receive())["type"] == "pong"


# By signals: at once, since the re-check would come after half a minute.


def deactivate(user: User) -> None:
    user.is_active = False
    user.save()


def change_password(user: User) -> None:
    user.set_password("other words")
    user.save()


def lose_everything(user: User) -> None:
    with transaction.atomic():
        user.user_permissions.clear()
        user.groups.clear()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "made",
    [deactivate, lambda user: User.objects.get(pk=user.pk).delete(), lose_everything],
    ids=["deactivated", "deleted", "lost-everything"],
)
async def test_who_may_see_nothing_any_more_is_closed(
    analyst: User, way: str, made: Change
) -> None:
    assert await ends_with(way, analyst, made) == "permission_denied"


@pytest.mark.parametrize(
    "made",
    [
        lambda user: user.auth_token_set.get().delete(),
        lambda user: user.auth_token_set.all().delete(),
    ],
    ids=["one", "all"],
)
async def test_revoked_token_ends_its_connection(analyst: User, made: Change) -> None:
    assert await ends_with("token", analyst, made) == "token_revoked"


async def test_other_tokens_of_the_user_stay(analyst: User, short: None) -> None:
    _, other = await sync_to_async(create_token)(analyst)
    async with StreamClient(token=other) as client:
        await client.receive("snapshot")
        code = await ends_with("token", analyst, lambda user: _newest_token(user).delete())
        assert code == "token_revoked"
        await client.send({"action": "ping", "id": 1})
        assert (await client.receive())["type"] == "pong"


def _newest_token(user: User) -> ApiToken:
    return ApiToken.objects.filter(user=user).latest("created")


@pytest.mark.parametrize(
    ("way", "code"), [("jwt", "token_revoked"), ("session", "authentication_required")]
)
async def test_password_that_changes_ends_what_was_signed_in_by_it(
    analyst: User, way: str, code: str
) -> None:
    assert await ends_with(way, analyst, change_password) == code


async def test_password_that_changes_leaves_tokens(analyst: User, short: None) -> None:
    await goes_on("token", analyst, change_password)


async def test_who_signs_out_is_closed(analyst: User) -> None:
    browser = Client()
    await sync_to_async(browser.force_login)(analyst)
    key = browser.cookies[django_settings.SESSION_COOKIE_NAME].value
    async with StreamClient(headers={**ORIGIN, "Cookie": f"sessionid={key}"}) as client:
        await client.receive("snapshot")
        await sync_to_async(browser.logout)()
        error = await client.receive()
    assert (error["code"], error["fatal"]) == ("authentication_required", True)


async def test_signing_out_leaves_the_other_sessions(analyst: User, short: None) -> None:
    def sign_in_and_out(user: User) -> None:
        browser = Client()
        browser.force_login(user)
        browser.logout()

    await goes_on("session", analyst, sign_in_and_out)


NARROWINGS: dict[str, Change] = {
    "group-left": lambda user: user.groups.clear(),
    "group-without-members": lambda user: Group.objects.get().user_set.clear(),
    "group-removed-from": lambda user: Group.objects.get().user_set.remove(user),
    "group-without-permission": lambda user: Group.objects.get().permissions.clear(),
    "group-of-the-permission": lambda user: permission("view_position").group_set.clear(),
    "group-deleted": lambda user: Group.objects.get().delete(),
    "groups-deleted": lambda user: Group.objects.all().delete(),
}


@pytest.mark.parametrize("made", NARROWINGS.values(), ids=NARROWINGS.keys())
async def test_permission_taken_away_narrows_the_connection(analyst: User, made: Change) -> None:
    await is_narrowed(analyst, made)


async def is_narrowed(user: User, made: Change, *, lost: str = POSITIONS) -> None:
    client = await sync_to_async(by_token)(user)
    async with client:
        before = set(client.welcome["feeds"])
        await client.receive("snapshot")
        await change(made, user)
        note, subscribed = await client.receive(), await client.receive()
        assert (note["type"], note["code"], note["fatal"]) == ("error", "permission_denied", False)
        assert lost in note["message"]
        assert set(subscribed["feeds"]) == before - {lost}


@pytest.mark.parametrize(
    "made",
    [
        lambda user: user.user_permissions.remove(permission("view_system_log")),
        lambda user: permission("view_system_log").user_set.remove(user),
        lambda user: permission("view_system_log").user_set.clear(),
    ],
    ids=["from-the-user", "from-the-permission", "from-all"],
)
async def test_own_permission_taken_away_narrows_the_connection(
    analyst: User, made: Change
) -> None:
    await is_narrowed(analyst, made, lost=LOGS)


async def test_superuser_no_more_sees_what_its_permissions_allow(analyst: User) -> None:
    analyst.is_superuser = True
    await analyst.asave()
    client = await sync_to_async(by_token)(analyst)
    async with client:
        assert set(client.welcome["feeds"]) == set(feeds())
        await client.receive("snapshot")
        analyst.is_superuser = False
        await analyst.asave()
        subscribed = await client.receive("subscribed")
        assert set(subscribed["feeds"]) == {POSITIONS, LOGS}


async def test_change_that_is_rolled_back_changes_nothing(analyst: User) -> None:
    def think_better_of_it(user: User) -> None:
        with transaction.atomic():
            user.auth_token_set.all().delete()
            deactivate(user)
            transaction.set_rollback(True)

    await goes_on("token", analyst, think_better_of_it)


async def test_last_login_is_no_change_of_access(
    analyst: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Any] = []
    monkeypatch.setattr(rechecks, "review", lambda holders: looks.append(holders) or {})
    await goes_on("token", analyst, lambda user: Client().force_login(user))
    assert looks == []


# Without a signal: the re-check finds it.

UNSEEN: dict[str, tuple[str, Change, str]] = {
    "token-deleted": (
        "token",
        lambda user: ApiToken.objects.filter(user=user)._raw_delete("default"),
        "token_revoked",
    ),
    "token-ended": (
        "token",
        lambda user: ApiToken.objects.filter(user=user).update(expiry=timezone.now()),
        "token_expired",
    ),
    "user-deactivated": (
        "token",
        lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
        "permission_denied",
    ),
    "password-changed-jwt": (
        "jwt",
        lambda user: User.objects.filter(pk=user.pk).update(password="!"),
        "token_revoked",
    ),
    "password-changed-session": (
        "session",
        lambda user: User.objects.filter(pk=user.pk).update(password="!"),
        "authentication_required",
    ),
    "session-deleted": (
        "session",
        lambda user: Session.objects.all().delete(),
        "authentication_required",
    ),
    "session-over": (
        "session",
        lambda user: Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1)),
        "authentication_required",
    ),
}


@pytest.mark.parametrize(("way", "made", "code"), UNSEEN.values(), ids=UNSEEN.keys())
async def test_what_sends_no_signal_is_found_by_the_recheck(
    analyst: User, short: None, way: str, made: Change, code: str
) -> None:
    assert await ends_with(way, analyst, made) == code


async def test_permission_that_goes_without_a_signal_narrows_by_the_recheck(
    analyst: User, short: None
) -> None:
    members = User.groups.through.objects
    await is_narrowed(analyst, lambda user: members.all()._raw_delete("default"))


async def test_end_that_is_put_off_without_a_signal_holds(analyst: User, short: None) -> None:
    key = await sync_to_async(lambda: create_token(analyst, lifetime=timedelta(seconds=1))[1])()
    async with StreamClient(token=key) as client:
        assert (await client.receive("token_expiring"))["expires_at"]
        await ApiToken.objects.aupdate(expiry=timezone.now() + timedelta(hours=1))
        await asyncio.sleep(1.2)
        await client.send({"action": "ping", "id": 1})
        assert (await client.receive("pong", "error"))["type"] == "pong"


# What goes wrong meanwhile.


async def test_database_that_is_away_ends_no_connection_and_is_asked_again(
    analyst: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # The re-check itself would come after half a minute.
    monkeypatch.setattr(rechecks, "RETRY_SECONDS", 0.05)
    looks: list[bool] = []
    real = rechecks.review

    def fail_twice(holders: Any) -> Any:
        looks.append(True)
        if len(looks) <= 2:
            raise OperationalError("the server closed the connection")
        return real(holders)

    client = await sync_to_async(by_token)(analyst)
    async with client:
        await client.receive("snapshot")
        monkeypatch.setattr(rechecks, "review", fail_twice)
        await change(lambda user: user.auth_token_set.all().delete(), analyst)
        error = await client.receive()
    assert (error["code"], len(looks) > 2) == ("token_revoked", True)
    told = [record for record in caplog.records if record.name == "realtime.auth.rechecks"]
    assert len(told) == 1
    assert "the server closed the connection" in told[0].message


async def test_scope_that_fails_for_one_user_closes_that_one_and_no_other(
    analyst: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await sync_to_async(User.objects.create_superuser)("other")
    real = type(feeds()[LOGS]).scope

    def fail_for_other(feed: Any, user: Any) -> Any:
        if user.pk == other.pk:
            raise ZeroDivisionError
        return real(feed, user)

    unlucky = await sync_to_async(by_token)(other)
    async with unlucky:
        await unlucky.receive("snapshot")
        monkeypatch.setattr(type(feeds()[LOGS]), "scope", fail_for_other)
        await is_narrowed(analyst, lambda user: Group.objects.get().permissions.clear())
        error = await unlucky.receive()
    assert (error["code"], error["fatal"]) == ("unavailable", True)


async def test_many_are_looked_at_in_batches_and_none_is_left_out(
    analyst: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rechecks, "BATCH_HOLDERS", 2)
    sizes: list[int] = []
    real = rechecks.review

    def fail_once_in_the_middle(holders: Any) -> Any:
        sizes.append(len(holders))
        if len(sizes) == 2:
            raise OperationalError("away")
        return real(holders)

    monkeypatch.setattr(rechecks, "review", fail_once_in_the_middle)
    monkeypatch.setattr(rechecks, "RETRY_SECONDS", 0.05)
    clients = [await sync_to_async(by_token)(analyst) for _ in range(5)]
    for client in clients:
        await client.__aenter__()
        await client.receive("snapshot")
    await change(lambda user: user.auth_token_set.all()._raw_delete("default"), analyst)
    await change(lambda user: user.save(), analyst)
    for client in clients:
        assert (await client.receive())["code"] == "token_revoked"
        await client.__aexit__()
    assert sizes == [2, 2, 2, 1]
