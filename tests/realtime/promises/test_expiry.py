"""A credential's end: announced, kept to the second, and put off by `authenticate`."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from realtime import consumers
from realtime.auth import credentials as auth
from realtime.auth.credentials import Credentials, Refused
from realtime.auth.grants import Grants
from realtime.auth.jwts import issue_jwts
from realtime.auth.tokens import create_token
from realtime.models import ApiToken
from realtime.testing import StreamClient
from tests.realtime.people import make_user

pytestmark = pytest.mark.django_db(transaction=True)

SOON_SECONDS = 1.0


@pytest.fixture
def reader() -> User:
    return make_user("reader", "trading.view_position")


async def token_of(user: User, *, seconds: float | None = None) -> str:
    lifetime = None if seconds is None else timedelta(seconds=seconds)
    _, key = await sync_to_async(create_token)(user, lifetime=lifetime)
    return key


async def jwt_of(user: User) -> str:
    return (await sync_to_async(issue_jwts)(user))["access"]


async def answer_of(client: StreamClient, **command: Any) -> dict[str, Any]:
    await client.send(command)
    return await client.receive("authenticated", "error", "pong")


async def assert_open(client: StreamClient) -> None:
    answer = await answer_of(client, action="ping", id="open?")
    assert (answer["type"], answer["id"]) == ("pong", "open?")


async def test_end_is_announced_and_closes_the_connection(reader: User) -> None:
    async with StreamClient(token=await token_of(reader, seconds=SOON_SECONDS)) as client:
        warning = await client.receive("token_expiring")
        ends_at = datetime.fromisoformat(warning["expires_at"])
        error = await client.receive("error")
        late_by = (timezone.now() - ends_at).total_seconds()
    assert (error["code"], error["fatal"]) == ("token_expired", True)
    assert 0 <= late_by < 1


async def test_warning_comes_so_many_seconds_before_the_end(
    reader: User, settings: Settings
) -> None:
    settings.REALTIME_TOKEN_EXPIRING_SECONDS = 0.6
    async with StreamClient(token=await token_of(reader, seconds=SOON_SECONDS)) as client:
        await client.receive("snapshot")
        warning = await client.receive()
        left = datetime.fromisoformat(warning["expires_at"]) - timezone.now()
        assert warning["type"] == "token_expiring"
        assert 0 < left.total_seconds() < 0.7
        assert (await client.receive())["code"] == "token_expired"


async def test_token_without_an_end_is_not_announced(reader: User) -> None:
    async with StreamClient(token=await token_of(reader)) as client:
        await client.receive("snapshot")
        await client.send({"action": "ping", "id": 1})
        assert (await client.receive())["type"] == "pong"


@pytest.mark.parametrize("kind", ["token", "jwt"])
async def test_credential_that_is_renewed_in_time_goes_on(reader: User, kind: str) -> None:
    async with StreamClient(token=await token_of(reader, seconds=SOON_SECONDS)) as client:
        await client.receive("token_expiring")
        key = await (jwt_of(reader) if kind == "jwt" else token_of(reader))
        answer = await answer_of(client, action="authenticate", id=7, token=key)
        assert (answer["type"], answer["id"], answer["user"]) == ("authenticated", 7, "reader")
        assert (answer["expires_at"] is None) == (kind == "token")
        await asyncio.sleep(SOON_SECONDS)
        await assert_open(client)


async def test_renewed_credential_is_the_one_that_may_be_revoked(reader: User) -> None:
    old, new = await token_of(reader), await token_of(reader)
    async with StreamClient(token=old) as client:
        await client.receive("snapshot")
        assert (await answer_of(client, action="authenticate", token=new))[
            "type"
        ] == "authenticated"
        await ApiToken.objects.filter(token_key=old[:15]).adelete()
        await asyncio.sleep(0.2)
        await assert_open(client)
        await ApiToken.objects.filter(token_key=new[:15]).adelete()
        assert (await client.receive("error"))["code"] == "token_revoked"


async def test_bad_credential_is_refused_and_the_old_one_stays_in_force(reader: User) -> None:
    other = await sync_to_async(make_user)("other", "trading.view_position")
    bad = {
        "permission_denied": await token_of(other),
        "token_expired": await token_of(reader, seconds=-1),
        "invalid_token": "unknown",
    }
    async with StreamClient(token=await token_of(reader, seconds=SOON_SECONDS)) as client:
        await client.receive("snapshot")
        for code, key in bad.items():
            answer = await answer_of(client, action="authenticate", id=code, token=key)
            assert (answer["code"], answer["id"], answer["fatal"]) == (code, code, False)
        await assert_open(client)
        # Its end was not put off, either.
        error = await client.receive("error")
    assert (error["code"], error["fatal"]) == ("token_expired", True)


@pytest.mark.parametrize("error", [OperationalError("away"), TimeoutError()])
async def test_credential_that_cannot_be_checked_leaves_the_old_one(
    reader: User, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fail(credentials: Credentials) -> Grants:
        raise error

    async with StreamClient(token=await token_of(reader)) as client:
        await client.receive("snapshot")
        monkeypatch.setattr(consumers, "authenticate", fail)
        answer = await answer_of(client, action="authenticate", id=7, token="whatever")
        assert (answer["code"], answer["id"], answer["fatal"]) == ("unavailable", 7, False)
        await assert_open(client)


async def test_credential_revoked_while_it_is_being_checked_is_looked_at_again(
    reader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = await token_of(reader)
    real = auth.authenticate

    async def revoke_meanwhile(credentials: Credentials) -> Grants:
        grants = await real(credentials)
        await ApiToken.objects.filter(token_key=new[:15]).adelete()
        # It is told before the answer is here.
        await asyncio.sleep(0.2)
        return grants

    async with StreamClient(token=await token_of(reader)) as client:
        await client.receive("snapshot")
        monkeypatch.setattr(consumers, "authenticate", revoke_meanwhile)
        answer = await answer_of(client, action="authenticate", token=new)
        assert answer["type"] == "authenticated"
        error = await client.receive("error")
    assert (error["code"], error["fatal"]) == ("token_revoked", True)


async def test_client_without_credentials_becomes_nobody_by_authenticating(
    reader: User, settings: Settings
) -> None:
    settings.REALTIME_ALLOW_ANONYMOUS = True
    async with StreamClient() as client:
        assert client.welcome["user"] == "anonymous"
        await client.receive("snapshot")
        answer = await answer_of(client, action="authenticate", token=await token_of(reader))
        assert (answer["code"], answer["fatal"]) == ("permission_denied", False)
        await assert_open(client)


async def test_answers_come_in_the_order_of_the_commands(
    reader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse_slowly(credentials: Credentials) -> Grants:
        await asyncio.sleep(0.1)
        raise Refused("invalid_token", "No.")

    async with StreamClient(token=await token_of(reader)) as client:
        await client.receive("snapshot")
        monkeypatch.setattr(consumers, "authenticate", refuse_slowly)
        await client.send({"action": "authenticate", "id": 1, "token": "x"})
        await client.send({"action": "ping", "id": 2})
        assert [(await client.receive())["id"] for _ in range(2)] == [1, 2]
