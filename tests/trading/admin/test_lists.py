"""Tests of the lists: their columns, filters, dates and files, with few queries."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from realtime.admin import lists
from tests.browsers import count_queries, text_of
from tests.trading.admin.rows import (
    make_accounts,
    make_alerts,
    make_changes,
    make_positions,
    make_readings,
)
from tests.trading.conftest import MONDAY, open_example
from trading import services
from trading.models import Account, Alert, FundingPayment

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("default_account")]

ROWS: dict[str, Callable[[int], object]] = {
    "position": make_positions,
    "account": make_accounts,
    "riskstatus": make_accounts,
    "equitysnapshot": make_readings,
    "riskchange": make_changes,
    "alert": make_alerts,
}

# The default account is one already.
ONE: dict[str, Callable[[], object]] = {
    "account": lambda: None,
    "riskstatus": lambda: services.soft_pause(reason="Wait."),
}


def listed(client: Client, model: str, query: str = "") -> Any:
    answer = client.get(f"/admin/trading/{model}/{query}")
    assert answer.status_code == 200
    return answer


def words(answer: Any) -> str:
    """What the list's rows say, without tags."""
    table = text_of(answer).partition('id="result_list"')[2].partition("</table>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", table))


def cells(answer: Any, column: str) -> list[str]:
    """The words of one column."""
    found = re.findall(rf'class="field-{column}[^"]*">(.*?)</t[dh]>', text_of(answer), re.DOTALL)
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", cell)).strip() for cell in found]


def test_position_has_both_legs_its_pnl_its_distance_and_its_age(operator: Client) -> None:
    at = timezone.now() - timedelta(days=2, hours=3)
    position = open_example(leverage=5, at=at, strategy_id="carry")
    services.update_position(
        position_id=position.pk, spot_current_price="46000", perp_current_price="45900"
    )
    page = listed(operator, "position")
    assert cells(page, "spot") == ["0.1 @ 45,000.00 now 46,000.00"]
    assert cells(page, "perp") == ["0.1 @ 45,010.00 now 45,900.00"]
    assert cells(page, "pnl") == ["+11.00"]
    assert cells(page, "liquidation") == ["17.08 %"]
    assert cells(page, "age") == ["2 d 3 h"]
    assert cells(page, "account_and_strategy") == ["default carry"]
    assert 'class="amount gain"' in text_of(page)


def test_part_that_is_closed_counts_and_what_the_legs_leave_unhedged_stands_out(
    operator: Client,
) -> None:
    position = open_example(spot_current_price="45000", perp_current_price="45010")
    services.reduce_position(
        position_id=position.pk,
        spot_quantity="0.05",
        perp_quantity="0.04",
        spot_exit_price="46000",
        perp_exit_price="45010",
    )
    page = listed(operator, "position")
    assert cells(page, "pnl") == ["+50.00"]
    assert cells(page, "unhedged") == ["\u22120.01"]
    assert 'class="amount warn"' in text_of(page)
    assert 'class="field-leg"' in text_of(
        operator.get(f"/admin/trading/position/{position.pk}/change/")
    )


def test_overdue_inputs_and_alerts_are_shown_and_changed_by_nobody(operator: Client) -> None:
    make_alerts(1)
    status = services.soft_pause(reason="Wait.")
    status.warning = "No price since noon."
    status.save(update_fields=["warning"])
    assert cells(listed(operator, "riskstatus"), "overdue") == ["No price since noon."]
    assert cells(listed(operator, "alert"), "state") == ["Sent"]
    alert = Alert.objects.get()
    changed = operator.post(f"/admin/trading/alert/{alert.pk}/change/", {"state": "pending"})
    assert changed.status_code == 403
    assert operator.post(f"/admin/trading/alert/{alert.pk}/delete/").status_code == 403


def test_pnl_that_is_not_known_is_no_zero(operator: Client) -> None:
    open_example()
    assert cells(listed(operator, "position"), "pnl") == ["–"]
    assert cells(listed(operator, "position"), "liquidation") == ["–"]


def test_closed_position_shows_what_it_realised_and_where_it_left(operator: Client) -> None:
    position = open_example()
    services.close_position(
        position_id=position.pk,
        spot_exit_price="44000",
        perp_exit_price="44020",
        at=MONDAY + timedelta(hours=5),
    )
    page = listed(operator, "position")
    assert cells(page, "pnl") == ["\u22121.00"]
    assert cells(page, "spot") == ["0.1 @ 45,000.00 exit 44,000.00"]
    assert cells(page, "age") == ["5 h 0 min"]
    assert 'class="amount loss"' in text_of(page)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?status__exact=open", {"BTC/USDT", "ETH/USDT"}),
        ("?status__exact=closed", set()),
        ("?symbol=ETH%2FUSDT", {"ETH/USDT"}),
        ("?account__slug__exact=north", {"ETH/USDT"}),
        ("?q=btc", {"BTC/USDT"}),
        ("?q=swing", {"ETH/USDT"}),
        ("?opened_at__year=2024", {"BTC/USDT"}),
        ("?opened_at__year=2024&opened_at__month=1&opened_at__day=15", {"BTC/USDT"}),
        ("?opened_at__year=2024&opened_at__month=1&opened_at__day=16", set()),
        ("?opened_at__year=2023&opened_at__month=12", {"ETH/USDT"}),
        ("?o=6", {"BTC/USDT", "ETH/USDT"}),
    ],
)
def test_positions_are_found_by_filter_search_and_date(
    operator: Client, query: str, found: set[str]
) -> None:
    Account.objects.create(pk="north")
    open_example()
    open_example(
        symbol="ETH/USDT", account="north", strategy_id="swing", at=MONDAY - timedelta(days=30)
    )
    assert set(cells(listed(operator, "position", query), "symbol")) == found


def test_position_is_found_by_its_id(operator: Client) -> None:
    wanted, _ = open_example(), open_example(symbol="ETH/USDT")
    assert cells(listed(operator, "position", f"?q={wanted.pk}"), "symbol") == ["BTC/USDT"]


@pytest.mark.parametrize("model", ROWS)
def test_list_takes_as_many_queries_for_one_row_as_for_a_hundred(
    operator: Client, model: str
) -> None:
    path = f"/admin/trading/{model}/"
    ONE.get(model, lambda: ROWS[model](1))()
    one = count_queries(operator, path)
    ROWS[model](100)
    assert count_queries(operator, path) == one


def test_page_of_a_position_takes_as_many_queries_for_one_payment_as_for_a_hundred(
    operator: Client,
) -> None:
    position = open_example()
    page = f"/admin/trading/position/{position.pk}/change/"

    def pay(count: int, *, start: int) -> None:
        FundingPayment.objects.bulk_create(
            FundingPayment(position=position, amount=1, recorded_at=MONDAY + timedelta(hours=hour))
            for hour in range(start, start + count)
        )

    pay(1, start=0)
    one = count_queries(operator, page)
    pay(100, start=1)
    assert count_queries(operator, page) == one


def test_page_of_an_account_takes_as_many_queries_for_one_member_as_for_a_hundred(
    operator: Client,
) -> None:
    account = Account.objects.create(pk="north")
    page = "/admin/trading/account/north/change/"
    one = count_queries(operator, page)
    users = User.objects.bulk_create(User(username=f"u{index}") for index in range(100))
    account.members.set(users)
    assert count_queries(operator, page) == one


@pytest.mark.parametrize("model", ["position", "equitysnapshot", "riskchange"])
def test_nothing_is_counted_to_its_end(
    operator: Client, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MOST_LISTED", 5)
    ROWS[model](8)
    with CaptureQueriesContext(connection) as queries:
        page = listed(operator, model)
    assert page.context["cl"].result_count == 5
    assert "There are more than 5" in text_of(page)
    counting = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert counting
    assert all("LIMIT 5" in sql for sql in counting), counting


def test_dates_are_links_that_look_at_no_rows(operator: Client) -> None:
    open_example(at=MONDAY - timedelta(days=40))
    open_example()

    def titles(query: str = "") -> list[str]:
        links = listed(operator, "position", query).context["cl"].dates
        return [link.title for link in links.choices]

    assert titles() == ["2023", "2024"]
    assert titles("?opened_at__year=2023") == ["December 2023"]
    days = titles("?opened_at__year=2024&opened_at__month=1")
    assert (days[0], days[-1]) == ("January 1", "January 15")
    with CaptureQueriesContext(connection) as queries:
        listed(operator, "position", "?opened_at__year=2024&opened_at__month=1")
    looked_at = [query["sql"] for query in queries if "DISTINCT" in query["sql"]]
    assert not [sql for sql in looked_at if "opened_at" in sql.partition("FROM")[0]]


@pytest.mark.parametrize("date", ["year=x", "year=2024&opened_at__month=13", "year=0"])
def test_date_that_is_none_is_refused(operator: Client, date: str) -> None:
    answer = operator.get(f"/admin/trading/position/?opened_at__{date}")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/trading/position/?e=1")


def test_correction_shows_numbers_as_they_are_typed(operator: Client) -> None:
    position = open_example(spot_quantity="0.00000001")
    form = operator.get(f"/admin/trading/position/{position.pk}/change/").context["adminform"].form
    shown = {name: form[name].as_widget() for name in ("fees", "spot_quantity", "spot_entry_price")}
    assert 'value="0"' in shown["fees"]
    assert 'value="0.00000001"' in shown["spot_quantity"]
    assert 'value="45000"' in shown["spot_entry_price"]


def test_risk_is_shown_beside_its_limits(operator: Client) -> None:
    services.record_equity(total_equity="100", at=MONDAY)
    services.record_equity(total_equity="96", at=MONDAY)
    page = listed(operator, "riskstatus")
    assert cells(page, "state") == ["Soft Pause"]
    assert cells(page, "daily_loss") == ["4 % of 3 %"]
    changes = listed(operator, "riskchange")
    assert cells(changes, "change") == ["Normal → Soft Pause"]
    assert "risk engine" in words(changes)
    assert "96.00" in words(listed(operator, "equitysnapshot"))


# Files


@pytest.mark.parametrize(
    ("model", "fixed"),
    [("position", "45000.00"), ("equitysnapshot", "96.00"), ("riskchange", "0.04")],
)
def test_file_holds_the_rows_of_the_days_chosen(operator: Client, model: str, fixed: str) -> None:
    open_example()
    services.record_equity(total_equity="100", at=MONDAY)
    services.record_equity(total_equity="96", at=MONDAY)
    path = f"/admin/trading/{model}/export/"
    assert path in text_of(listed(operator, model))
    page = operator.get(path)
    assert 'type="date"' in text_of(page)
    answer: Any = operator.get(path, {"file": "1", "since": "2024-01-15", "until": "2024-01-15"})
    assert answer["Content-Type"].startswith("text/csv")
    assert fixed in answer.getvalue().decode()
    other: Any = operator.get(path, {"file": "1", "since": "2024-01-16"})
    assert other.getvalue().decode().count("\r\n") == 1


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        ({"since": "2024-01-16", "until": "2024-01-15"}, "before the first day"),
        ({"since": "yesterday"}, "valid date"),
    ],
)
def test_days_that_make_no_sense_are_shown_again(
    operator: Client, days: dict[str, str], sentence: str
) -> None:
    page = operator.get("/admin/trading/position/export/", {"file": "1", **days})
    assert sentence in text_of(page)
    assert f'value="{days["since"]}"' in text_of(page)
