"""Tests of who sees what in the admin: the accounts that the stream would show, no name more."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from tests.browsers import browser_of, make_staff, mistakes_of, text_of
from tests.trading.conftest import MONDAY, open_example
from trading import services
from trading.models import Account, EquitySnapshot, Position, RiskChange, RiskStatus

pytestmark = pytest.mark.django_db

MODELS = ("account", "position", "equitysnapshot", "riskstatus", "riskchange")


@pytest.fixture(autouse=True)
def _two_desks(default_account: Account) -> None:
    """Two accounts with everything in them; their names are the symbols' bases."""
    for slug in ("north", "south"):
        Account.objects.get_or_create(slug=slug)
        open_example(account=slug, symbol=f"{slug.upper()}/USDT")
        services.record_equity(account=slug, total_equity="1000", at=MONDAY)
        services.soft_pause(account=slug, reason=f"{slug} waits.", at=MONDAY)


def keys_of_south() -> dict[str, Any]:
    return {
        "account": "south",
        "position": Position.objects.get(account="south").pk,
        "equitysnapshot": EquitySnapshot.objects.get(account="south").pk,
        "riskstatus": "south",
        "riskchange": RiskChange.objects.filter(account="south")[0].pk,
    }


@pytest.mark.parametrize("model", MODELS)
def test_lists_and_their_filters_know_ones_own_accounts_alone(clerk: Client, model: str) -> None:
    page = text_of(clerk.get(f"/admin/trading/{model}/"))
    assert "north" in page.lower()
    assert "south" not in page.lower()


@pytest.mark.parametrize("model", MODELS)
def test_rows_of_others_are_as_if_they_were_not_there(clerk: Client, model: str) -> None:
    key = keys_of_south()[model]
    for page in ("change", "history", "delete"):
        answer = clerk.get(f"/admin/trading/{model}/{key}/{page}/")
        assert answer.status_code in {302, 403}, page
        assert "waits" not in text_of(answer)


def test_filter_by_an_account_of_others_finds_nothing(clerk: Client) -> None:
    for model in ("position", "equitysnapshot", "riskchange"):
        page = clerk.get(f"/admin/trading/{model}/?account__slug__exact=south")
        assert {row.account_id for row in page.context["cl"].result_list} <= {"north"}


def test_positions_of_others_cannot_be_closed(clerk: Client) -> None:
    position = Position.objects.get(account="south")
    form = {
        "position": [str(position.pk)],
        "reason": "Mine now.",
        f"{position.pk}-spot_exit_price": "1",
        f"{position.pk}-perp_exit_price": "1",
    }
    page = clerk.post("/admin/trading/position/close/", form)
    assert "There is no position" in mistakes_of(page)[0]
    assert "SOUTH" not in text_of(page)
    assert Position.objects.get(pk=position.pk).status == "open"
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("at", ["riskstatus", "account"])
@pytest.mark.parametrize("name", ["soft-pause", "hard-stop", "resume"])
def test_accounts_of_others_cannot_be_decided_on(clerk: Client, at: str, name: str) -> None:
    form = {"account": ["south"], "reason": "Mine now."}
    page = clerk.post(f"/admin/trading/{at}/{name}/", form)
    assert mistakes_of(page) == ["south: There is no account 'south'."]
    assert "waits" not in text_of(page)
    assert RiskStatus.objects.get(pk="south").message == "south waits."
    assert not LogEntry.objects.exists()


def test_ones_own_accounts_can_be_decided_on(clerk: Client) -> None:
    clerk.post("/admin/trading/riskstatus/hard-stop/", {"account": ["north"], "reason": "Enough."})
    assert RiskStatus.objects.get(pk="north").status == "hard_stop"


@pytest.mark.parametrize("model", ["position", "equitysnapshot", "riskchange"])
def test_file_holds_ones_own_rows_alone(clerk: Client, model: str) -> None:
    answer: Any = clerk.get(f"/admin/trading/{model}/export/?file=1")
    rows = answer.getvalue().decode()
    assert "north" in rows
    assert "south" not in rows


@pytest.mark.parametrize("model", ["position", "equitysnapshot", "riskchange"])
def test_file_needs_the_permission_to_view(model: str) -> None:
    browser = browser_of(make_staff("stranger", "trading.view_all_accounts", "auth.view_user"))
    assert browser.get(f"/admin/trading/{model}/export/?file=1").status_code == 403


def test_who_may_view_all_accounts_sees_all() -> None:
    chief = make_staff("chief", "trading.view_all_accounts", "trading.view_position")
    page = text_of(browser_of(chief).get("/admin/trading/position/"))
    assert "NORTH" in page
    assert "SOUTH" in page


def test_who_is_a_member_of_nothing_sees_empty_lists() -> None:
    newcomer = make_staff("newcomer", "trading.view_position")
    page = browser_of(newcomer).get("/admin/trading/position/")
    assert page.context["cl"].result_count == 0
