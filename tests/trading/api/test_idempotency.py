"""Tests of `Idempotency-Key`: an opening that is sent twice is carried out once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from realtime.models import Event
from tests.trading.api.people import OPENING, add_trader, signed_in, together
from trading.models import Account, KeptAnswer, Position

WRITERS = 6


def send(client: APIClient, key: str, **changes: Any) -> Any:
    """Open a position under this key."""
    return client.post("/api/positions/", {**OPENING, **changes}, headers={"Idempotency-Key": key})


@pytest.mark.django_db
def test_the_same_request_is_answered_the_same(client: APIClient) -> None:
    first = send(client, "k1")
    assert (first.status_code, "Idempotency-Replayed" in first.headers) == (201, False)
    second = send(client, "k1")
    assert (second.status_code, second.headers["Idempotency-Replayed"]) == (201, "true")
    assert second.json() == first.json()
    assert Position.objects.count() == Event.objects.filter(feed="position_update").count() == 1


@pytest.mark.django_db
def test_the_order_of_fields_is_no_difference(client: APIClient) -> None:
    first = send(client, "k1")
    turned = dict(reversed(OPENING.items()))
    answer = client.post("/api/positions/", turned, headers={"Idempotency-Key": "k1"})
    assert answer.json() == first.json()


@pytest.mark.django_db
def test_another_body_under_the_key_is_a_422(client: APIClient) -> None:
    send(client, "k1")
    answer = send(client, "k1", spot_quantity="0.2")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert Position.objects.count() == 1


@pytest.mark.django_db
def test_a_key_belongs_to_its_user(client: APIClient) -> None:
    first = send(client, "k1")
    other = signed_in(add_trader("other", "default"))
    answer = send(other, "k1")
    assert answer.status_code == 201
    assert answer.json()["position_id"] != first.json()["position_id"]
    assert send(signed_in(add_trader("third", "default")), "k1", fees="1").status_code == 201


@pytest.mark.django_db
def test_a_failed_attempt_leaves_the_key_unused(client: APIClient) -> None:
    client.post("/api/risk/soft-pause/", {"reason": "Wait."})
    assert send(client, "k1").status_code == 409
    assert send(client, "k1", leverage="999").status_code == 400
    assert not KeptAnswer.objects.exists()
    client.post("/api/risk/resume/", {"reason": "Go."})
    answer = send(client, "k1")
    assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (201, False)


@pytest.mark.django_db
def test_an_answer_is_replayed_though_the_desk_has_been_paused_since(client: APIClient) -> None:
    first = send(client, "k1")
    client.post("/api/risk/hard-stop/", {"reason": "Fire."})
    again = send(client, "k1")
    assert (again.status_code, again.json()) == (201, first.json())


@pytest.mark.django_db
def test_who_is_no_longer_a_member_gets_no_replay(client: APIClient, trader: User) -> None:
    send(client, "k1")
    trader.trading_accounts.clear()
    assert send(client, "k1").status_code == 404


@pytest.mark.django_db
def test_a_key_is_forgotten_after_a_day(client: APIClient, trader: User) -> None:
    first = send(client, "k1")
    send(client, "k2")
    almost, past = (timezone.now() - timedelta(hours=24, minutes=m) for m in (-1, 1))
    KeptAnswer.objects.update(created_at=almost)
    assert send(client, "k1").json() == first.json()
    KeptAnswer.objects.update(created_at=past)
    anew = send(client, "k1", fees="1")
    assert (anew.status_code, anew.json() == first.json()) == (201, False)
    # The old ones are removed with the next request, its own and all others.
    assert [kept.key for kept in KeptAnswer.objects.all()] == ["k1"]
    assert Position.objects.count() == 3


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "schlüssel"])
def test_a_key_is_short_printable_ascii(client: APIClient, key: str) -> None:
    answer = client.post("/api/positions/", OPENING, HTTP_IDEMPOTENCY_KEY=key)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["Idempotency-Key"])
    assert not Position.objects.exists()


@pytest.mark.django_db
def test_without_a_key_every_request_counts(client: APIClient) -> None:
    for _ in range(2):
        assert client.post("/api/positions/", OPENING).status_code == 201
    assert Position.objects.count() == 2
    assert not KeptAnswer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_requests_at_the_same_time_open_one_position(
    default_account: Account, trader: User
) -> None:
    clients = [signed_in(trader) for _ in range(WRITERS)]
    answers = together(WRITERS, lambda number: send(clients[number], "k1"))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sorted("Idempotency-Replayed" in answer.headers for answer in answers) == [
        False,
        *[True] * (WRITERS - 1),
    ]
    assert Position.objects.count() == Event.objects.filter(feed="position_update").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_different_requests_at_the_same_time_one_gets_the_key(
    default_account: Account, trader: User
) -> None:
    clients = [signed_in(trader) for _ in range(WRITERS)]
    answers = together(WRITERS, lambda number: send(clients[number], "k1", fees=str(number)))
    assert sorted(answer.status_code for answer in answers) == [201, *[422] * (WRITERS - 1)]
    assert Position.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_keys_of_their_own_do_not_hinder_each_other(default_account: Account, trader: User) -> None:
    clients = [signed_in(trader) for _ in range(WRITERS)]
    send(clients[0], "old")
    KeptAnswer.objects.update(created_at=timezone.now() - timedelta(days=2))
    answers = together(WRITERS, lambda number: send(clients[number], f"k{number}"))
    assert [answer.status_code for answer in answers] == [201] * WRITERS
    assert Position.objects.count() == WRITERS + 1
    assert KeptAnswer.objects.count() == WRITERS
