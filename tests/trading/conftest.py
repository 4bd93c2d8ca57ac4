"""What trading's tests share: an account, a position to work on, and the events of the log."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from realtime.models import Event
from trading import services
from trading.models import DEFAULT_ACCOUNT, Account, Position

MONDAY = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)

ReadEvents = Callable[[], list[tuple[str, str, dict[str, Any]]]]


@pytest.fixture
def default_account(db: None) -> Account:
    """The default account, also where a transactional test has emptied the database."""
    return Account.objects.get_or_create(pk=DEFAULT_ACCOUNT)[0]


@pytest.fixture
def position(default_account: Account) -> Position:
    """An open position, the protocol's example."""
    return open_example()


@pytest.fixture
def new_events(db: None) -> ReadEvents:
    """Gives the events since the last call, as (type, action, data)."""
    newest = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0

    def read() -> list[tuple[str, str, dict[str, Any]]]:
        nonlocal newest
        events = list(Event.objects.filter(id__gt=newest).order_by("id"))
        newest = events[-1].pk if events else newest
        return [(event.feed, event.action, json.loads(event.data)) for event in events]

    return read


def open_example(**changes: Any) -> Position:
    """Open the protocol's example position, with these changes."""
    values: dict[str, Any] = {
        "symbol": "BTC/USDT",
        "spot_entry_price": "45000",
        "perp_entry_price": "45010",
        "spot_quantity": "0.1",
        "perp_quantity": "0.1",
        "at": MONDAY,
    }
    return services.open_position(**{**values, **changes})


def add_user(name: str, *accounts: str, sees_all: bool = False) -> User:
    """Add a user who may view trading's feeds, and is a member of these accounts, made if new."""
    user = User.objects.create(username=name)
    viewing = Permission.objects.filter(
        content_type__app_label="trading", codename__startswith="view_"
    )
    user.user_permissions.set(
        viewing if sees_all else viewing.exclude(codename="view_all_accounts")
    )
    for slug in accounts:
        Account.objects.get_or_create(slug=slug)[0].members.add(user)
    return user
