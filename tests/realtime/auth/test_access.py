"""Access that changed is told after the commit, and never what would open anything."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.test import Client

from realtime import hub, relay
from realtime.auth import access
from realtime.auth.access import access_changed, everybodys_access_changed
from tests.realtime.people import make_key, make_user

pytestmark = pytest.mark.django_db(transaction=True)

Told = list[dict[str, Any]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """What other processes are told."""
    messages: Told = []
    monkeypatch.setattr(relay, "tell_others", messages.append)
    return messages


def test_access_is_looked_at_after_the_commit(told: Told) -> None:
    with transaction.atomic():
        access_changed([2, 1, 2])
        everybodys_access_changed()
        assert told == []
    assert told == [
        {"type": hub.ACCESS_MESSAGE, "users": ["user:1", "user:2"]},
        {"type": hub.ACCESS_MESSAGE, "users": [], "everybody": True},
    ]


def test_nobodys_change_is_not_told(told: Told) -> None:
    access_changed([])
    assert told == []


def test_rolled_back_change_is_not_told(told: Told) -> None:
    with transaction.atomic():
        access_changed([1])
        transaction.set_rollback(True)
    assert told == []


def test_nothing_that_opens_the_stream_is_told(told: Told) -> None:
    user = make_user("reader")
    key = make_key(user)
    browser = Client()
    browser.force_login(user)
    session_key = str(browser.session.session_key)
    user.auth_token_set.all().delete()
    browser.logout()
    assert {"users", "type"} < told[-1].keys()
    shown = str(told)
    assert key not in shown
    assert key[:15] not in shown
    assert session_key not in shown


def test_what_changes_nothing_is_not_told(told: Told) -> None:
    user = User.objects.create_user("reader", password="x")
    make_key(user)
    Group.objects.create(name="desk")
    Client().force_login(user)
    assert told == []


def test_failure_to_tell_does_not_reach_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(message: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(access, "_tell", fail)
    access_changed([1])
