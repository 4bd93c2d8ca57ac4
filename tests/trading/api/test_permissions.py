"""Tests of who may write over REST: Django's permissions, and the members of accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern
from rest_framework.permissions import SAFE_METHODS
from rest_framework.test import APIClient

from realtime.permissions import FeedPermission
from tests.trading.api.people import (
    FILL,
    OPENING,
    PART,
    PRICES,
    STARTING,
    WRITES,
    add_trader,
    signed_in,
)
from tests.trading.conftest import open_example
from trading.models import Account, EquitySnapshot, Fill, Position, PositionStatus, RiskChange
from trading.urls import urlpatterns

pytestmark = pytest.mark.django_db

# What is asked, and the permission that it takes.
REQUESTS: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("post", "positions/", dict(OPENING), "add_position"),
    ("patch", "positions/POSITION/", {"fees": "7"}, "change_position"),
    ("post", "positions/POSITION/close/", PRICES, "change_position"),
    ("post", "positions/start/", dict(STARTING), "add_position"),
    ("post", "positions/POSITION/fills/", dict(FILL), "change_position"),
    ("post", "positions/POSITION/reduce/", dict(PART), "change_position"),
    ("post", "equity/", {"total_equity": "1"}, "add_equitysnapshot"),
    ("post", "risk/soft-pause/", {"reason": "Wait."}, "change_riskstatus"),
    ("post", "risk/hard-stop/", {"reason": "Fire."}, "change_riskstatus"),
    ("post", "risk/resume/", {"reason": "Go."}, "change_riskstatus"),
)
OF_AN_ACCOUNT = [request for request in REQUESTS if "POSITION" not in request[1]]


def ask(client: APIClient, method: str, path: str, body: dict[str, Any], key: object) -> Any:
    """Send one of REQUESTS about the position of that key."""
    return getattr(client, method)(f"/api/{path.replace('POSITION', str(key))}", body)


def assert_nothing_happened() -> None:
    """There is the one position, as it was opened, and nothing else."""
    row = Position.objects.get()
    assert (row.fees, row.status) == (0, PositionStatus.OPEN)
    assert Fill.objects.count() == 2
    assert not EquitySnapshot.objects.exists()
    assert not RiskChange.objects.exists()


@pytest.mark.parametrize(("method", "path", "body", "permission"), REQUESTS)
def test_a_write_takes_its_own_permission(
    default_account: Account, method: str, path: str, body: dict[str, Any], permission: str
) -> None:
    position = open_example()
    others = tuple(name for name in WRITES if name != permission)
    lacks_it = signed_in(add_trader("reader", "default", permissions=others))
    answer = ask(lacks_it, method, path, body, position.pk)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert_nothing_happened()
    has_it = signed_in(add_trader("writer", "default", permissions=(permission,)))
    assert ask(has_it, method, path, body, position.pk).status_code in {200, 201, 409}


@pytest.mark.parametrize(("method", "path", "body", "permission"), REQUESTS)
def test_a_write_takes_credentials(
    default_account: Account, method: str, path: str, body: dict[str, Any], permission: str
) -> None:
    client = APIClient()
    client.default_format = "json"
    assert ask(client, method, path, body, open_example().pk).status_code == 401
    assert_nothing_happened()


@pytest.mark.parametrize(("method", "path", "body", "permission"), REQUESTS)
def test_another_account_is_as_if_it_were_not_there(
    default_account: Account, method: str, path: str, body: dict[str, Any], permission: str
) -> None:
    position = open_example()
    client = signed_in(add_trader("stranger", "south"))
    answer = ask(client, method, path, {**body}, position.pk)
    assert answer.status_code == 404, answer.content
    assert_nothing_happened()


@pytest.mark.parametrize(("method", "path", "body", "permission"), OF_AN_ACCOUNT)
def test_an_account_of_others_and_none_are_answered_alike(
    default_account: Account, method: str, path: str, body: dict[str, Any], permission: str
) -> None:
    client = signed_in(add_trader("stranger", "south"))
    Account.objects.create(slug="north")
    texts = []
    for account in ("north", "absent"):
        answer = ask(client, method, path, {**body, "account": account}, None)
        assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")
        texts.append(answer.content.decode().replace(account, "…"))
    assert texts[0] == texts[1]


def test_a_session_of_a_page_needs_the_csrf_token(default_account: Account) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(add_trader("trader", "default"))
    answer = client.post("/api/positions/", OPENING, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert "CSRF" in answer.json()["message"]


def test_who_sees_all_accounts_may_write_to_all(default_account: Account) -> None:
    chief = add_trader("chief", permissions=("add_position", "view_all_accounts"))
    Account.objects.create(slug="south")
    body = {**OPENING, "account": "south"}
    assert signed_in(chief).post("/api/positions/", body).status_code == 201


def writing_views() -> Iterator[tuple[str, Any]]:
    """Each method that writes, with its view."""
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        view = pattern.callback.view_class  # type: ignore[attr-defined]
        for method in view.http_method_names:
            if method.upper() not in SAFE_METHODS and hasattr(view, method):
                yield method.upper(), view


def test_no_method_that_writes_goes_without_a_permission_of_its_own() -> None:
    views = list(writing_views())
    assert len(views) >= len(REQUESTS)
    for method, view in views:
        assert FeedPermission in view.permission_classes, view
        permission = view.write_permissions[method]
        assert not permission.startswith("trading.view_"), view
