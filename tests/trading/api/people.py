"""Users of REST: what each may do, and clients that ask as they."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db import connections
from rest_framework.test import APIClient

from trading.models import Account

WRITES = ("add_position", "change_position", "add_equitysnapshot", "change_riskstatus")
OPENING: Mapping[str, Any] = {
    "symbol": "BTC/USDT",
    "spot_entry_price": "45000",
    "perp_entry_price": "45010",
    "spot_quantity": "0.1",
    "perp_quantity": "0.1",
}
STARTING: Mapping[str, Any] = {"symbol": "BTC/USDT", "spot_price": "45000", "perp_price": "45010"}
FILL: Mapping[str, Any] = {
    "leg": "spot",
    "effect": "opening",
    "price": "45100",
    "quantity": "0.1",
    "fill_id": "a-1",
}
PART: Mapping[str, Any] = {"spot_quantity": "0.04", "spot_exit_price": "45500"}
PRICES = {"spot_exit_price": "45500", "perp_exit_price": "45400"}


def add_trader(name: str, *accounts: str, permissions: tuple[str, ...] = WRITES) -> User:
    """Add a user with these permissions of trading, a member of these accounts, made if new."""
    user = User.objects.create(username=name)
    views = ("view_position", "view_equitysnapshot", "view_riskstatus")
    user.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label="trading", codename__in=(*permissions, *views)
        )
    )
    for slug in accounts:
        Account.objects.get_or_create(slug=slug)[0].members.add(user)
    return user


def signed_in(user: User) -> APIClient:
    """A client with this user's session, which sends JSON."""
    client = APIClient()
    client.default_format = "json"
    client.force_login(user)
    return client


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What `act` returns for each number, all started at one moment."""
    barrier = Barrier(count)

    def run(number: int) -> Any:
        try:
            barrier.wait()
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
