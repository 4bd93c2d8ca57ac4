"""Tests of the admin: pages that open, corrections that publish, history that is read."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.trading.conftest import MONDAY, ReadEvents, open_example
from trading import services
from trading.models import Account, EquitySnapshot, Position, RiskChange

pytestmark = pytest.mark.django_db

MODELS = ("account", "position", "equitysnapshot", "riskstatus", "riskchange")


@pytest.fixture
def operator() -> Client:
    """A superuser's browser."""
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    return client


@pytest.fixture
def _rows(position: Position) -> None:
    """One row of everything."""
    services.accrue_funding(position_id=position.pk, amount="0.45", at=MONDAY)
    services.record_equity(total_equity="100", at=MONDAY)
    services.record_equity(total_equity="96", at=MONDAY)


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("model", MODELS)
def test_lists_open_and_can_be_searched(operator: Client, model: str) -> None:
    assert operator.get(f"/admin/trading/{model}/").status_code == 200


@pytest.mark.usefixtures("_rows")
def test_pages_of_single_rows_open(operator: Client, position: Position) -> None:
    for path in (
        f"position/{position.pk}",
        "account/default",
        f"equitysnapshot/{EquitySnapshot.objects.all()[0].pk}",
        f"riskchange/{RiskChange.objects.all()[0].pk}",
        "riskstatus/default",
    ):
        assert operator.get(f"/admin/trading/{path}/change/").status_code == 200


def post_correction(client: Client, position: Position, **typed: str) -> int:
    """Save the position's form with these values; returns the status."""
    form = {
        "strategy_id": position.strategy_id,
        "close_reason": position.close_reason,
        "spot_entry_price": "45000",
        "spot_current_price": "",
        "spot_quantity": "0.1",
        "perp_entry_price": "45010",
        "perp_current_price": "",
        "perp_quantity": "0.1",
        "leverage": "1",
        "fees": "0",
        "fills-TOTAL_FORMS": "0",
        "fills-INITIAL_FORMS": "0",
        "funding_payments-TOTAL_FORMS": "0",
        "funding_payments-INITIAL_FORMS": "0",
    }
    answer = client.post(f"/admin/trading/position/{position.pk}/change/", {**form, **typed})
    return answer.status_code


def test_a_correction_is_published_with_the_figures_that_follow(
    operator: Client, position: Position, new_events: ReadEvents
) -> None:
    assert post_correction(operator, position, leverage="2", strategy_id="swing") == 302
    [(_, action, data)] = new_events()
    assert (action, data["leverage"], data["strategy_id"]) == ("updated", "2", "swing")
    assert data["liquidation_price"] == "67179.10447761"


def test_a_correction_leaves_alone_what_others_changed_meanwhile(
    operator: Client, position: Position
) -> None:
    services.accrue_funding(position_id=position.pk, amount="5", at=MONDAY)
    services.update_position(position_id=position.pk, perp_current_price="45500")
    before = Position.objects.get(pk=position.pk)
    assert post_correction(operator, before, perp_current_price="45500", fees="1") == 302
    stored = Position.objects.get(pk=position.pk)
    assert (stored.funding_collected, stored.fees, stored.perp_current_price) == (5, 1, 45500)


@pytest.mark.parametrize(
    "typed",
    [
        {"leverage": "0"},
        {"spot_quantity": "-1"},
        {"fees": "0.123456789"},
        {"spot_entry_price": "1234567890.123456"},
        {
            "spot_quantity": "99999999999",
            "spot_current_price": "99999999999",
            "perp_current_price": "1",
        },
    ],
    ids=str,
)
def test_a_correction_that_makes_no_sense_is_shown_again(
    operator: Client, position: Position, new_events: ReadEvents, typed: dict[str, str]
) -> None:
    assert post_correction(operator, position, **typed) == 200
    assert new_events() == []


@pytest.mark.usefixtures("_rows")
def test_positions_are_not_added_here_and_history_is_only_read(operator: Client) -> None:
    for model in ("position", "equitysnapshot", "riskstatus", "riskchange"):
        assert operator.get(f"/admin/trading/{model}/add/").status_code == 403
    for model, key in (
        ("equitysnapshot", EquitySnapshot.objects.all()[0].pk),
        ("riskstatus", "default"),
        ("riskchange", RiskChange.objects.all()[0].pk),
    ):
        for page in ("change", "delete"):
            answer = operator.post(f"/admin/trading/{model}/{key}/{page}/", {"post": "yes"})
            assert answer.status_code == 403


def test_a_position_is_deleted_with_an_event(
    operator: Client, position: Position, new_events: ReadEvents
) -> None:
    answer = operator.post(f"/admin/trading/position/{position.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert [(event[0], event[1]) for event in new_events()] == [("position_update", "deleted")]


def test_accounts_are_made_here_and_keep_their_name(operator: Client) -> None:
    form = {"slug": "second", "name": "Second", "starting_capital": "5000"}
    assert operator.post("/admin/trading/account/add/", form).status_code == 302
    renamed = {**form, "slug": "third", "name": "Still the second"}
    assert operator.post("/admin/trading/account/second/change/", renamed).status_code == 302
    assert Account.objects.get(pk="second").name == "Still the second"
    assert not Account.objects.filter(pk="third").exists()


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("model", MODELS)
def test_lists_need_no_query_for_each_row(operator: Client, model: str) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(connection) as queries:
            operator.get(f"/admin/trading/{model}/")
        return len(queries)

    few = count_queries()
    for index in range(3):
        account = Account.objects.create(slug=f"a{index}").pk
        open_example(account=account)
        services.record_equity(account=account, total_equity="100", at=MONDAY)
        services.soft_pause(account=account, reason="Wait.", at=MONDAY)
    assert count_queries() == few
