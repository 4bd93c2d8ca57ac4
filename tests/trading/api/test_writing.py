"""Tests of REST, writing: what is done, what is answered, what is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from realtime.models import Event
from tests.trading.api.people import OPENING, PRICES, signed_in, together
from tests.trading.conftest import MONDAY, open_example
from trading import services
from trading.models import Account, EquitySnapshot, Position, RiskChange, RiskStatus

pytestmark = pytest.mark.django_db


def newest_event(feed: str) -> Event:
    """The newest event of a feed."""
    return Event.objects.filter(feed=feed).latest("id")


def assert_names_its_event(body: dict[str, Any], feed: str) -> None:
    """The answer is the newest event's data and its id."""
    event = newest_event(feed)
    assert body == {**json.loads(event.data), "event": event.pk}


def test_a_position_is_opened_and_the_answer_names_its_event(client: APIClient) -> None:
    answer = client.post("/api/positions/", OPENING)
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert_names_its_event(body, "position_update")
    row = Position.objects.get()
    assert (body["position_id"], body["spot_entry_price"]) == (str(row.pk), "45000.00")
    assert client.get(f"/api/positions/{row.pk}/").json() == {
        name: value for name, value in body.items() if name != "event"
    }


def test_every_field_of_an_opening_is_kept_to_the_last_digit(client: APIClient) -> None:
    given = {
        **OPENING,
        "account": "default",
        "position_id": str(uuid4()),
        "spot_entry_price": "1234567.12345678",
        "spot_current_price": "0.00000001",
        "perp_current_price": "45005.5",
        "leverage": "2.5",
        "fees": "0.1",
        "strategy_id": "carry",
    }
    body = client.post("/api/positions/", given).json()
    expected = {**given, "perp_entry_price": "45010.00", "perp_current_price": "45005.50"}
    assert {name: body[name] for name in expected} == {**expected, "fees": "0.10"}


def test_a_position_is_updated(client: APIClient, position: Position) -> None:
    answer = client.patch(f"/api/positions/{position.pk}/", {"spot_current_price": "45100"})
    assert answer.status_code == 200, answer.content
    assert answer.json()["spot_current_price"] == "45100.00"
    assert_names_its_event(answer.json(), "position_update")


def test_a_position_is_closed(client: APIClient, position: Position) -> None:
    path = f"/api/positions/{position.pk}/close/"
    answer = client.post(path, {**PRICES, "fees": "1", "reason": "Enough."})
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["status"], body["close_reason"], body["fees"]) == ("closed", "Enough.", "1.00")
    assert body["realized_pnl"] == "10.00"
    assert_names_its_event(body, "position_update")
    again = client.post(path, PRICES)
    assert (again.status_code, again.json()["code"]) == (409, "position_already_closed")


def test_a_reading_of_equity_is_added_and_judged(client: APIClient) -> None:
    client.post("/api/equity/", {"total_equity": "100000"})
    answer = client.post("/api/equity/", {"account": "default", "total_equity": "96999.5"})
    assert answer.status_code == 201, answer.content
    assert answer.json()["daily_loss_pct"] == "0.030005"
    assert_names_its_event(answer.json(), "equity_update")
    assert EquitySnapshot.objects.count() == 2
    assert client.get("/api/risk/").json()["status"] == "soft_pause"


def test_a_reading_may_be_negative(client: APIClient) -> None:
    assert client.post("/api/equity/", {"total_equity": "-12.5"}).status_code == 201
    assert client.get("/api/equity/").json()["results"][0]["total_equity"] == "-12.50"


def test_a_person_pauses_stops_and_resumes_with_reasons(
    client: APIClient, position: Position
) -> None:
    for path, status in (
        ("soft-pause", "soft_pause"),
        ("hard-stop", "hard_stop"),
        ("resume", "normal"),
    ):
        answer = client.post(f"/api/risk/{path}/", {"reason": f"For {path}."})
        assert (answer.status_code, answer.json()["status"]) == (200, status)
        assert_names_its_event(answer.json(), "risk_status_update")
        change = RiskChange.objects.latest("id")
        assert (change.reason, change.made_by) == (f"For {path}.", "trader")
    position.refresh_from_db()
    assert position.status == "closing"


def test_a_decision_that_changes_nothing_has_no_event(client: APIClient) -> None:
    client.post("/api/risk/hard-stop/", {"reason": "Fire."})
    answer = client.post("/api/risk/hard-stop/", {"reason": "Fire again."})
    assert (answer.status_code, answer.json()["event"]) == (200, None)
    assert answer.json()["message"] == "Fire."
    assert RiskChange.objects.count() == 1


def test_a_paused_desk_opens_nothing(client: APIClient) -> None:
    client.post("/api/risk/soft-pause/", {"reason": "Wait."})
    answer = client.post("/api/positions/", OPENING)
    assert (answer.status_code, answer.json()["code"]) == (409, "trading_paused")
    assert answer.json().keys() == {"code", "message", "fields"}
    assert "Wait." in answer.json()["message"]
    assert not Position.objects.exists()


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("risk/resume/", {"reason": "Go."}, "trading_not_paused"),
        ("positions/", {**OPENING, "position_id": "POSITION"}, "position_exists"),
    ],
)
def test_what_the_present_state_forbids_is_a_409(
    client: APIClient, position: Position, path: str, body: dict[str, Any], code: str
) -> None:
    given = {**body, "position_id": str(position.pk)} if "position_id" in body else body
    answer = client.post(f"/api/{path}", given)
    assert (answer.status_code, answer.json()["code"]) == (409, code)


def test_a_pause_does_not_loosen_a_stop(client: APIClient) -> None:
    client.post("/api/risk/hard-stop/", {"reason": "Fire."})
    answer = client.post("/api/risk/soft-pause/", {"reason": "Wait."})
    assert (answer.status_code, answer.json()["code"]) == (409, "hard_stopped")


def test_a_reading_of_a_day_that_is_over_is_a_409(client: APIClient) -> None:
    tomorrow = MONDAY + timedelta(days=365 * 500)
    services.record_equity(total_equity=1, at=tomorrow)
    answer = client.post("/api/equity/", {"total_equity": "1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "reading_out_of_order")


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"spot_entry_price": 45000.5}, "spot_entry_price", "may have lost digits"),
        ({"spot_entry_price": 45000}, "spot_entry_price", "Write the number as text"),
        ({"spot_entry_price": True}, "spot_entry_price", "Write the number as text"),
        ({"spot_entry_price": None}, "spot_entry_price", "may not be null"),
        ({"spot_entry_price": "1e5"}, "spot_entry_price", "digits and a point"),
        ({"spot_entry_price": "1.123456789"}, "spot_entry_price", "digits and a point"),
        ({"spot_entry_price": "-1"}, "spot_entry_price", "digits and a point"),
        ({"spot_entry_price": " 1"}, "spot_entry_price", "digits and a point"),
        ({"spot_entry_price": "\u0661"}, "spot_entry_price", "digits and a point"),
        ({"spot_entry_price": "1\n"}, "spot_entry_price", "digits and a point"),
        ({"spot_entry_price": "0"}, "spot_entry_price", "above zero"),
        ({"spot_entry_price": "123456789.12345678"}, "spot_entry_price", "15 significant"),
        ({"leverage": "201"}, "leverage", "between 1 and 200"),
        ({"symbol": "bitcoin"}, "symbol", "BASE/QUOTE"),
        ({"symbol": 7}, "symbol", "as text"),
        ({"strategy_id": "a\x00b"}, "strategy_id", "Null"),
        ({"strategy_id": "\ud800"}, "strategy_id", "Surrogate"),
        ({"strategy_id": "x" * 65}, "strategy_id", "64 characters"),
        ({"position_id": 7}, "position_id", "as text"),
        ({"position_id": "seven"}, "position_id", "valid UUID"),
        ({"colour": "red"}, "colour", "There is no such field; there are: account, symbol"),
    ],
)
def test_a_value_that_makes_no_sense_is_a_400_that_names_it(
    client: APIClient, change: dict[str, Any], field: str, words: str
) -> None:
    body = json.dumps({**OPENING, **change})
    answer = client.generic("POST", "/api/positions/", body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert list(answer.json()["fields"]) == [field]
    assert words in answer.json()["message"]
    assert not Position.objects.exists()


def test_what_is_missing_is_said_all_at_once(client: APIClient) -> None:
    answer = client.post("/api/positions/", {})
    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == list(OPENING)


@pytest.mark.parametrize("body", ["[]", '"text"', "7", "null"])
def test_a_body_is_an_object(client: APIClient, body: str) -> None:
    answer = client.generic("POST", "/api/positions/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_value")
    assert answer.json()["message"] == "An object is expected."


def test_a_change_of_nothing_is_refused(client: APIClient, position: Position) -> None:
    answer = client.patch(f"/api/positions/{position.pk}/", {})
    assert answer.status_code == 400
    assert answer.json()["message"] == "Name at least one field to change."


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_decision_needs_a_reason(client: APIClient, reason: str) -> None:
    answer = client.post("/api/risk/hard-stop/", {"reason": reason})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["reason"])
    assert not RiskChange.objects.exists()


def test_the_updated_at_of_the_present_is_accepted_once(
    client: APIClient, position: Position
) -> None:
    path = f"/api/positions/{position.pk}/"
    seen = client.get(path).json()["updated_at"]
    first = client.patch(path, {"fees": "1", "updated_at": seen})
    assert first.status_code == 200, first.content
    second = client.patch(path, {"fees": "2", "updated_at": seen})
    assert (second.status_code, second.json()["code"]) == (409, "stale")
    assert first.json()["updated_at"] in second.json()["message"]
    assert client.get(path).json()["fees"] == "1.00"
    third = client.patch(path, {"fees": "3", "updated_at": first.json()["updated_at"]})
    assert third.json()["fees"] == "3.00"


def test_a_stale_change_publishes_nothing(client: APIClient, position: Position) -> None:
    events = Event.objects.count()
    stale = {"fees": "2", "updated_at": "2020-01-01T00:00:00.000Z"}
    assert client.patch(f"/api/positions/{position.pk}/", stale).status_code == 409
    assert Event.objects.count() == events


def test_changes_within_a_millisecond_are_told_apart(
    position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: position.updated_at)
    times = []
    for fees in range(5):
        services.update_position(position_id=position.pk, fees=fees)
        times.append(json.loads(newest_event("position_update").data)["updated_at"])
    assert times == sorted(set(times))


@pytest.mark.django_db(transaction=True)
def test_of_two_who_have_seen_the_same_one_may_change_it(
    default_account: Account, trader: User
) -> None:
    position = open_example()
    path = f"/api/positions/{position.pk}/"
    clients = [signed_in(trader) for _ in range(4)]
    seen = clients[0].get(path).json()["updated_at"]
    answers = together(
        4, lambda number: clients[number].patch(path, {"fees": f"{number}", "updated_at": seen})
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


def test_methods_without_a_meaning_are_a_405(client: APIClient, position: Position) -> None:
    for path, method in (
        ("positions/", "delete"),
        (f"positions/{position.pk}/", "put"),
        (f"positions/{position.pk}/close/", "get"),
        ("equity/", "patch"),
        ("risk/", "post"),
        ("risk/hard-stop/", "get"),
        ("positions/export/", "post"),
    ):
        answer = getattr(client, method)(f"/api/{path}", {})
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed"), path


def test_the_risk_of_an_account_is_judged_for_itself(client: APIClient, trader: Any) -> None:
    Account.objects.create(slug="south").members.add(trader)
    client.post("/api/risk/hard-stop/", {"account": "south", "reason": "Fire."})
    assert client.post("/api/positions/", OPENING).status_code == 201
    paused = client.post("/api/positions/", {**OPENING, "account": "south"})
    assert paused.status_code == 409
    assert {row.pk: row.status for row in RiskStatus.objects.all()} == {
        "south": "hard_stop",
        "default": "normal",
    }


def test_the_callers_id_is_the_positions(client: APIClient) -> None:
    key = uuid4()
    assert client.post("/api/positions/", {**OPENING, "position_id": str(key)}).status_code == 201
    assert Position.objects.get().pk == UUID(str(key))
    assert open_example().pk != key
