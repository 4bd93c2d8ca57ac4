"""Tests of accounts' members: every change narrows or widens live connections, at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Thread
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.test import Client

from realtime.auth.tokens import create_token
from realtime.testing import StreamClient
from tests.trading.conftest import MONDAY, add_user, open_example
from trading import membership, services
from trading.models import Account, Position

FEEDS = "feeds=position_update,equity_update"

Told = list[set[Any]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """The users of each call of `access_changed`."""
    calls: Told = []
    monkeypatch.setattr(membership, "access_changed", lambda pks: calls.append(set(pks)))
    return calls


@pytest.fixture
def ann(db: None) -> User:
    """A member of the account north, with bob."""
    return add_user("ann", "north")


@pytest.fixture
def bob(ann: User) -> User:
    """The other member of the account north."""
    return add_user("bob", "north")


@pytest.fixture
def north(ann: User, bob: User, told: Told) -> Account:
    """The account of ann and bob; what was told so far is forgotten."""
    told.clear()
    return Account.objects.get(slug="north")


def test_who_is_added_or_removed_is_told(north: Account, ann: User, told: Told) -> None:
    carol = add_user("carol")
    north.members.add(carol, ann)
    north.members.remove(ann)
    # Ann was a member before: adding her changed nothing.
    assert told == [{carol.pk}, {ann.pk}]


def test_who_gets_or_loses_accounts_is_told(north: Account, ann: User, told: Told) -> None:
    south = Account.objects.create(slug="south")
    ann.trading_accounts.add(south)
    ann.trading_accounts.remove(north)
    ann.trading_accounts.clear()
    assert told == [{ann.pk}] * 3


def test_everybody_is_told_when_all_members_are_removed(
    north: Account, ann: User, bob: User, told: Told
) -> None:
    north.members.clear()
    assert told == [{ann.pk, bob.pk}]


def test_set_tells_those_it_adds_and_those_it_removes(
    north: Account, ann: User, bob: User, told: Told
) -> None:
    carol = add_user("carol")
    north.members.set([bob, carol])
    assert told == [{ann.pk}, {carol.pk}]


def test_set_of_a_users_accounts_tells_the_user(north: Account, ann: User, told: Told) -> None:
    ann.trading_accounts.set([Account.objects.create(slug="south")])
    assert told
    assert set.union(*told) == {ann.pk}


def test_set_with_clear_tells_everybody(north: Account, ann: User, bob: User, told: Told) -> None:
    north.members.set([bob], clear=True)
    assert set.union(*told) == {ann.pk, bob.pk}


def test_the_members_of_a_deleted_account_are_told(
    north: Account, ann: User, bob: User, told: Told
) -> None:
    north.delete()
    assert told == [{ann.pk, bob.pk}]


def test_deleting_many_accounts_tells_the_members_of_each(
    north: Account, ann: User, bob: User, told: Told
) -> None:
    add_user("carol", "south")
    told.clear()
    Account.objects.exclude(slug="default").delete()
    assert set.union(*told) == set(User.objects.values_list("pk", flat=True))


def test_an_account_with_positions_stays_and_nobody_is_told(north: Account, told: Told) -> None:
    open_example(account="north")
    with pytest.raises(Exception, match="protected"):
        north.delete()
    assert told == []


def test_members_are_edited_in_the_admin(north: Account, ann: User, bob: User, told: Told) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    carol = add_user("carol")
    form = {"name": "North", "starting_capital": "1000", "members": [bob.pk, carol.pk]}
    answer = client.post("/admin/trading/account/north/change/", form)
    assert answer.status_code == 302
    assert set(north.members.all()) == {bob, carol}
    assert set.union(*told) == {ann.pk, carol.pk}


@pytest.mark.django_db(transaction=True)
def test_who_is_added_while_all_are_removed_is_not_removed_untold(
    north: Account, ann: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    carol = add_user("carol")

    def add() -> None:
        try:
            carol.trading_accounts.add(north)
        finally:
            connections.close_all()

    adding = Thread(target=add)

    def tell(pks: Iterable[Any]) -> None:
        if set(pks) == {ann.pk, bob.pk}:
            # Between the look at the members and their removal.
            adding.start()
            adding.join(0.2)

    monkeypatch.setattr(membership, "access_changed", tell)
    north.members.clear()
    adding.join()
    assert list(north.members.all()) == [carol]


# On a real connection.


@pytest.fixture
def _two_desks(transactional_db: None) -> Iterator[None]:
    """The accounts north and south, with a position and a reading each."""
    for slug in ("north", "south"):
        Account.objects.create(slug=slug)
        open_example(account=slug, symbol=f"{slug.upper()}/USDT")
        services.record_equity(account=slug, total_equity="1000", at=MONDAY)
    yield
    connection.close()


def token_of(user: User) -> str:
    """A new token's key."""
    return create_token(user)[1]


def accounts_in(snapshot: dict[str, Any]) -> dict[str, list[str]]:
    """By feed, the accounts whose objects a snapshot holds."""
    return {
        name: sorted({row["account"] for row in rows}) for name, rows in snapshot["data"].items()
    }


def both(*accounts: str) -> dict[str, list[str]]:
    """What `accounts_in` gives when both feeds hold these."""
    return {"position_update": list(accounts), "equity_update": list(accounts)}


@pytest.mark.usefixtures("_two_desks")
async def test_membership_widens_and_narrows_a_live_connection() -> None:
    member = await sync_to_async(add_user)("member", "north")
    token = await sync_to_async(token_of)(member)
    south = await Account.objects.aget(slug="south")
    async with StreamClient(token=token, query=FEEDS) as client:
        first = client.welcome["subscription"]
        assert accounts_in(await client.receive("snapshot")) == both("north")

        await south.members.aadd(member)
        widened = await client.receive("subscribed", "snapshot")
        assert widened["type"] == "subscribed"
        assert widened["feeds"] == ["position_update", "equity_update"]
        assert accounts_in(await client.receive("snapshot")) == both("north", "south")
        await sync_to_async(services.record_equity)(account="south", total_equity="7")
        assert (await client.receive("equity_update"))["data"]["account"] == "south"

        await south.members.aremove(member)
        narrowed = await client.receive("subscribed", "snapshot")
        assert narrowed["type"] == "subscribed"
        assert accounts_in(await client.receive("snapshot")) == both("north")
        await sync_to_async(services.record_equity)(account="south", total_equity="8")
        await sync_to_async(services.record_equity)(account="north", total_equity="9")
        heard = await client.receive("equity_update")
        assert (heard["data"]["account"], heard["data"]["total_equity"]) == ("north", "9.00")
    assert narrowed["subscription"] == first != widened["subscription"]


@pytest.mark.usefixtures("_two_desks")
async def test_a_resume_from_before_a_change_of_membership_is_a_snapshot() -> None:
    member = await sync_to_async(add_user)("member", "north", "south")
    token = await sync_to_async(token_of)(member)
    async with StreamClient(token=token, query=FEEDS) as client:
        before = client.welcome
        await client.receive("snapshot")
    await member.trading_accounts.aremove("south")
    resume = "&".join(
        f"{name}={before[source]}"
        for name, source in (
            ("stream", "stream"),
            ("since", "seq"),
            ("subscription", "subscription"),
        )
    )
    async with StreamClient(token=token, query=f"{FEEDS}&{resume}") as client:
        assert client.welcome["resume"] == "snapshot"
        assert client.welcome["resume_reason"] == "subscription_changed"
        assert accounts_in(await client.receive("snapshot")) == both("north")


@pytest.mark.usefixtures("_two_desks")
async def test_a_user_without_accounts_is_let_in_and_gets_an_empty_state() -> None:
    newcomer = await sync_to_async(add_user)("newcomer")
    token = await sync_to_async(token_of)(newcomer)
    async with StreamClient(token=token, query=FEEDS) as client:
        assert client.welcome["feeds"] == ["position_update", "equity_update"]
        assert accounts_in(await client.receive("snapshot")) == both()
        await newcomer.trading_accounts.aset(["south"])
        assert accounts_in(await client.receive("snapshot")) == both("south")


@pytest.mark.usefixtures("_two_desks")
async def test_a_deleted_account_leaves_the_connections_of_its_members() -> None:
    member = await sync_to_async(add_user)("member", "north", "south")
    token = await sync_to_async(token_of)(member)
    async with StreamClient(token=token, query=FEEDS) as client:
        await client.receive("snapshot")
        await Position.objects.filter(account="south").adelete()
        await Account.objects.filter(slug="south").adelete()
        await client.receive("subscribed")
        assert accounts_in(await client.receive("snapshot")) == both("north")


@pytest.mark.usefixtures("_two_desks")
async def test_a_rolled_back_change_of_membership_changes_nothing() -> None:
    member = await sync_to_async(add_user)("member", "north")
    token = await sync_to_async(token_of)(member)
    async with StreamClient(token=token, query=FEEDS) as client:
        await client.receive("snapshot")
        await sync_to_async(add_and_roll_back)(member, "south")
        await sync_to_async(services.record_equity)(account="north", total_equity="9")
        assert (await client.receive())["type"] == "equity_update"


def add_and_roll_back(user: User, account: str) -> None:
    """Make `user` a member, and think better of it."""
    with transaction.atomic():
        user.trading_accounts.add(account)
        transaction.set_rollback(True)
