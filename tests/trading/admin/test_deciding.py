"""Tests of soft pause, hard stop and resume in the admin: a reason, a row, the admin's log."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.browsers import browser_of, count_queries, logged, make_staff, mistakes_of, text_of, told
from tests.trading.admin.rows import make_accounts
from tests.trading.conftest import ReadEvents, open_example
from trading import services
from trading.models import Account, Position, RiskChange, RiskStatus

pytestmark = pytest.mark.django_db

STATUSES = "/admin/trading/riskstatus/"
ACCOUNTS = "/admin/trading/account/"
ACTIONS = {"soft_pause": "soft-pause", "hard_stop": "hard-stop", "resume": "resume"}


@pytest.fixture(autouse=True)
def _accounts(default_account: Account) -> None:
    Account.objects.create(pk="north")


def decide(client: Client, name: str, *accounts: str, reason: str = "Feed broken.") -> Any:
    """Send the page's form."""
    form = {"account": list(accounts), "reason": reason}
    return client.post(f"{STATUSES}{name}/", form, follow=True)


def states() -> dict[str, str]:
    return dict(RiskStatus.objects.values_list("account", "status"))


@pytest.mark.parametrize(("action", "page"), ACTIONS.items())
@pytest.mark.parametrize("at", [STATUSES, ACCOUNTS])
def test_action_asks_for_a_reason_and_changes_nothing(
    operator: Client, at: str, action: str, page: str
) -> None:
    services.soft_pause(reason="Before.")
    answer = operator.post(at, {"action": action, "_selected_action": ["default"]})
    assert answer.status_code == 200
    assert 'name="reason"' in text_of(answer)
    assert answer.context["url"] == f"{at}{page}/"
    assert [status.account_id for status in answer.context["statuses"]] == ["default"]
    assert states() == {"default": "soft_pause"}


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("soft-pause", "normal", "soft_pause"),
        ("hard-stop", "normal", "hard_stop"),
        ("resume", "hard_stop", "normal"),
    ],
)
def test_decision_is_made_and_everybody_can_read_who_and_why(
    operator: Client, new_events: ReadEvents, name: str, before: str, after: str
) -> None:
    if before == "hard_stop":
        services.hard_stop(reason="Before.")
    new_events()
    answer = decide(operator, name, "default")
    assert answer.redirect_chain == [(STATUSES, 302)]
    assert states() == {"default": after}
    change = RiskChange.objects.order_by("pk").last()
    assert change is not None
    assert (change.made_by, change.reason, change.new_status) == ("operator", "Feed broken.", after)
    assert change.actor == User.objects.get(username="operator")
    [(who, on, words)] = logged()
    assert (who, on) == ("operator", "default")
    assert words.endswith(": Feed broken.")
    feed, _, data = new_events()[-1]
    assert (feed, data["status"]) == ("risk_status_update", after)


def test_hard_stop_marks_the_positions(operator: Client) -> None:
    open_example()
    decide(operator, "hard-stop", "default")
    assert Position.objects.get().status == "closing"


@pytest.mark.parametrize("name", ACTIONS.values())
@pytest.mark.parametrize("reason", ["", "  "], ids=("empty", "blank"))
def test_reason_is_needed(operator: Client, name: str, reason: str) -> None:
    page = decide(operator, name, "default", reason=reason)
    assert page.status_code == 200
    assert "Say why" in mistakes_of(page)[0]
    assert not RiskChange.objects.exists()
    assert logged() == []


def test_reason_that_no_column_holds_is_refused_and_kept(operator: Client) -> None:
    page = decide(operator, "soft-pause", "default", reason="x" * 301)
    assert "300" in mistakes_of(page)[0]
    assert "x" * 301 in text_of(page)
    assert states() == {}


def test_one_that_is_refused_holds_up_no_other_and_is_shown_alone(operator: Client) -> None:
    services.hard_stop(account="default", reason="Before.")
    page = decide(operator, "soft-pause", "default", "north")
    assert page.status_code == 200
    assert told(page) == ["north is paused."]
    [refused] = mistakes_of(page)
    assert "default" in refused
    assert "stopped hard" in refused
    assert [status.account_id for status in page.context["statuses"]] == ["default"]
    assert 'value="Feed broken."' in text_of(page)
    assert states() == {"default": "hard_stop", "north": "soft_pause"}
    assert [entry[1] for entry in logged()] == ["north"]


def test_account_that_was_never_judged_can_be_stopped(operator: Client) -> None:
    decide(operator, "hard-stop", "north")
    assert states() == {"north": "hard_stop"}


def test_account_that_is_not_there_is_said_so(operator: Client) -> None:
    assert "'west'" in mistakes_of(decide(operator, "soft-pause", "west"))[0]
    assert states() == {}


def test_nothing_chosen_leads_back_to_the_list(operator: Client) -> None:
    answer = operator.get(f"{STATUSES}resume/", follow=True)
    assert answer.redirect_chain == [(STATUSES, 302)]
    assert told(answer) == ["Choose accounts."]


@pytest.mark.parametrize("name", ACTIONS.values())
def test_deciding_needs_the_permission_to_change_risk_statuses(name: str) -> None:
    services.soft_pause(reason="Before.")
    viewer = make_staff(
        "viewer",
        "trading.view_all_accounts",
        "trading.view_riskstatus",
        "trading.view_account",
        "trading.change_account",
        "trading.change_position",
    )
    browser = browser_of(viewer)
    assert browser.get(f"{STATUSES}{name}/?account=default").status_code == 403
    assert decide(browser, name, "default").status_code == 403
    for page in (STATUSES, ACCOUNTS):
        assert "hard_stop" not in text_of(browser.get(page)).partition("By status")[0]
        form = {"action": name.replace("-", "_"), "_selected_action": ["default"]}
        assert 'name="reason"' not in text_of(browser.post(page, form, follow=True))
    assert states() == {"default": "soft_pause"}
    assert logged() == []


def test_who_may_change_risk_statuses_decides_without_being_a_superuser() -> None:
    person = make_staff("person", "trading.view_all_accounts", "trading.change_riskstatus")
    decide(browser_of(person), "soft-pause", "default")
    assert states() == {"default": "soft_pause"}
    assert logged()[0][0] == "person"


def test_deciding_needs_the_forms_own_token() -> None:
    browser = browser_of(User.objects.create_superuser("operator"), enforce_csrf_checks=True)
    assert decide(browser, "hard-stop", "default").status_code == 403
    assert states() == {}


def test_page_of_a_status_leads_to_the_decisions_that_make_sense(operator: Client) -> None:
    services.hard_stop(reason="Before.")
    page = text_of(operator.get(f"{STATUSES}default/change/"))
    assert f"{STATUSES}resume/?account=default" in page
    assert f"{STATUSES}soft-pause/" not in page


@pytest.mark.parametrize("name", ACTIONS.values())
def test_page_takes_as_many_queries_for_one_as_for_a_hundred(operator: Client, name: str) -> None:
    names = [account.pk for account in make_accounts(100)]
    page = f"{STATUSES}{name}/"
    one = count_queries(operator, f"{page}?account=a0")
    assert count_queries(operator, f"{page}?{'&'.join(f'account={each}' for each in names)}") == one
