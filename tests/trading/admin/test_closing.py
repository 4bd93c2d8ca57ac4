"""Tests of closing in the admin: prices typed, reasons kept, each position by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import Client

from tests.browsers import browser_of, count_queries, logged, make_staff, mistakes_of, text_of, told
from tests.trading.conftest import ReadEvents, open_example
from trading import services
from trading.models import Account, Position, PositionStatus

pytestmark = pytest.mark.django_db

LIST = "/admin/trading/position/"
CLOSE = "/admin/trading/position/close/"


def choose(client: Client, *positions: Position, query: str = "") -> Any:
    """Choose these rows of the list, and the action."""
    chosen = [str(position.pk) for position in positions]
    form = {"action": "close_positions", "_selected_action": chosen}
    return client.post(LIST + query, form)


def typed(*positions: Position, reason: str = "Target reached.", **prices: str) -> dict[str, Any]:
    """The page's form with the same prices for each position."""
    form: dict[str, Any] = {"position": [str(each.pk) for each in positions], "reason": reason}
    values = {"spot_exit_price": "46000", "perp_exit_price": "46005", "fees": "0", **prices}
    for each in positions:
        form |= {f"{each.pk}-{name}": value for name, value in values.items()}
    return form


@pytest.fixture
def two(default_account: Account) -> tuple[Position, Position]:
    """Two open positions."""
    return open_example(), open_example(symbol="ETH/USDT")


def test_action_asks_with_the_current_prices_filled_in(
    operator: Client, position: Position
) -> None:
    services.update_position(
        position_id=position.pk, spot_current_price="45100.5", perp_current_price="45120"
    )
    page = choose(operator, position)
    assert page.status_code == 200
    form = page.context["rows"][0].form
    assert form["spot_exit_price"].value() == "45100.50"
    assert form["perp_exit_price"].value() == "45120.00"
    assert Position.objects.get().status == PositionStatus.OPEN


def test_price_that_is_not_known_has_to_be_typed(operator: Client, position: Position) -> None:
    services.update_position(position_id=position.pk, spot_current_price="45100")
    assert choose(operator, position).context["rows"][0].form["perp_exit_price"].value() == ""
    page = operator.post(CLOSE, typed(position, perp_exit_price=""))
    assert page.status_code == 200
    [sentence] = mistakes_of(page)
    assert "Perp exit price" in sentence
    assert 'value="46000"' in text_of(page)
    assert 'value="Target reached."' in text_of(page)
    assert Position.objects.get().status == PositionStatus.OPEN


def test_closed_at_the_prices_typed_and_the_log_says_who_and_why(
    operator: Client, position: Position, new_events: ReadEvents
) -> None:
    answer = operator.post(CLOSE, typed(position, fees="1.5"), follow=True)
    assert answer.redirect_chain == [(LIST, 302)]
    assert ["is closed" in sentence for sentence in told(answer)] == [True]
    row = Position.objects.get()
    assert (row.status, row.spot_exit_price, row.perp_exit_price) == ("closed", 46000, 46005)
    assert (row.fees, row.close_reason) == (Decimal("1.5"), "Target reached.")
    [(feed, action, data)] = new_events()
    assert (feed, action, data["close_reason"]) == ("position_update", "closed", "Target reached.")
    assert logged() == [
        ("operator", str(position.pk), "Closed at spot 46000, perp 46005: Target reached.")
    ]


@pytest.mark.parametrize("reason", ["", "   "], ids=("empty", "blank"))
def test_reason_is_needed_and_nothing_typed_is_lost(
    operator: Client, position: Position, reason: str
) -> None:
    page = operator.post(CLOSE, typed(position, reason=reason, spot_exit_price="45999.5"))
    assert "Say why" in mistakes_of(page)[0]
    assert 'value="45999.5"' in text_of(page)
    assert Position.objects.get().status == PositionStatus.OPEN
    assert logged() == []


@pytest.mark.parametrize("price", ["0", "-1", "a lot", "45,000", "1e99", "0.123456789", "NaN"])
def test_price_that_the_service_refuses_is_shown_beside_its_field(
    operator: Client, position: Position, price: str
) -> None:
    page = operator.post(CLOSE, typed(position, spot_exit_price=price))
    assert page.status_code == 200
    assert "spot_exit_price is" in mistakes_of(page)[0]
    assert f'value="{price}"' in text_of(page)
    assert Position.objects.get().status == PositionStatus.OPEN


def test_one_that_fails_holds_up_no_other_and_is_shown_alone(
    operator: Client, two: tuple[Position, Position]
) -> None:
    good, bad = two
    form = typed(good, bad) | {f"{bad.pk}-spot_exit_price": "-5"}
    page = operator.post(CLOSE, form)
    assert page.status_code == 200
    [closed] = told(page)
    assert closed.startswith("BTC/USDT of default")
    [refused] = mistakes_of(page)
    assert refused.startswith("ETH/USDT of default")
    assert [row.key for row in page.context["rows"]] == [str(bad.pk)]
    assert Position.objects.get(pk=good.pk).status == PositionStatus.CLOSED
    assert Position.objects.get(pk=bad.pk).status == PositionStatus.OPEN
    assert [entry[1] for entry in logged()] == [str(good.pk)]


def test_position_that_was_closed_meanwhile_is_said_so(
    operator: Client, two: tuple[Position, Position]
) -> None:
    gone, other = two
    services.close_position(position_id=gone.pk, spot_exit_price="1", perp_exit_price="1")
    page = operator.post(CLOSE, typed(gone, other))
    assert "closed meanwhile" in mistakes_of(page)[0]
    assert Position.objects.get(pk=gone.pk).spot_exit_price == 1
    assert Position.objects.get(pk=other.pk).status == PositionStatus.CLOSED


def test_position_that_is_closed_between_the_look_and_the_lock_is_said_so(
    operator: Client, position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = services.close_position

    def close_twice(**values: Any) -> Position:
        close(**values)
        return close(**values)

    monkeypatch.setattr(services, "close_position", close_twice)
    page = operator.post(CLOSE, typed(position))
    assert "closed meanwhile" in mistakes_of(page)[0]
    # What the log would say was rolled back with it.
    assert logged() == []


def test_what_cannot_be_logged_is_not_done(
    operator: Client, position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise DatabaseError("no room for the log")

    monkeypatch.setattr(LogEntry.objects, "log_actions", fail)
    with pytest.raises(DatabaseError):
        operator.post(CLOSE, typed(position))
    assert Position.objects.get().status == PositionStatus.OPEN


def test_position_that_is_gone_is_said_so(operator: Client, position: Position) -> None:
    position_id, form = str(position.pk), typed(position)
    position.delete()
    assert position_id in mistakes_of(operator.post(CLOSE, form))[0]
    assert "nonsense" in mistakes_of(operator.get(f"{CLOSE}?position=nonsense"))[0]


def test_positions_marked_closing_by_a_hard_stop_can_be_closed(
    operator: Client, position: Position
) -> None:
    services.hard_stop(reason="Enough.")
    operator.post(CLOSE, typed(position))
    assert Position.objects.get().status == PositionStatus.CLOSED


def test_the_list_that_one_comes_back_to_is_filtered_as_it_was(
    operator: Client, position: Position
) -> None:
    page = choose(operator, position, query="?status__exact=open")
    assert page.context["filters"] == "status__exact=open"
    form = typed(position) | {"_changelist_filters": page.context["filters"]}
    assert operator.post(CLOSE, form)["Location"] == f"{LIST}?status__exact=open"


def test_way_back_leads_nowhere_else(operator: Client, position: Position) -> None:
    form = typed(position) | {"_changelist_filters": "//evil.example/?x=1"}
    assert operator.post(CLOSE, form)["Location"].startswith(f"{LIST}?")


def test_nothing_chosen_leads_back_to_the_list(operator: Client) -> None:
    answer = operator.post(CLOSE, {"reason": "x"}, follow=True)
    assert answer.redirect_chain == [(LIST, 302)]
    assert "Choose positions." in told(answer)


def test_more_than_a_hundred_are_refused_at_once(operator: Client) -> None:
    answer = operator.get(CLOSE, {"position": [str(uuid4()) for _ in range(101)]}, follow=True)
    assert "at most 100" in told(answer)[0]


@pytest.mark.parametrize(
    "permissions", [(), ("trading.view_position",)], ids=("nothing", "viewing")
)
def test_closing_needs_the_permission_to_change_positions(
    position: Position, permissions: tuple[str, ...]
) -> None:
    user = make_staff("viewer", "trading.view_all_accounts", *permissions)
    browser = browser_of(user)
    assert browser.get(f"{CLOSE}?position={position.pk}").status_code == 403
    assert browser.post(CLOSE, typed(position)).status_code == 403
    choose(browser, position)
    assert Position.objects.get().status == PositionStatus.OPEN
    if permissions:
        assert "close_positions" not in text_of(browser.get(LIST))


def test_closing_needs_the_forms_own_token(position: Position) -> None:
    browser = browser_of(User.objects.create_superuser("operator"), enforce_csrf_checks=True)
    assert browser.post(CLOSE, typed(position)).status_code == 403
    assert Position.objects.get().status == PositionStatus.OPEN


def test_who_is_not_signed_in_comes_to_the_login(position: Position) -> None:
    answer = Client().post(CLOSE, typed(position))
    assert answer["Location"].startswith("/admin/login/")
    assert Position.objects.get().status == PositionStatus.OPEN


def test_page_of_a_live_position_leads_to_closing_it(operator: Client, position: Position) -> None:
    link = f"{CLOSE}?position={position.pk}"
    assert link in text_of(operator.get(f"{LIST}{position.pk}/change/"))
    operator.post(CLOSE, typed(position))
    assert link not in text_of(operator.get(f"{LIST}{position.pk}/change/"))


def test_page_takes_as_many_queries_for_one_as_for_a_hundred(
    operator: Client, default_account: Account
) -> None:
    positions = [open_example() for _ in range(100)]
    one = count_queries(operator, f"{CLOSE}?position={positions[0].pk}")
    hundred = "&".join(f"position={position.pk}" for position in positions)
    assert count_queries(operator, f"{CLOSE}?{hundred}") == one
