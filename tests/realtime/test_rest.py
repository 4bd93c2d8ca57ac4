"""What every REST view shares: tokens, pages, the shape of errors."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.test import Client
from rest_framework import exceptions

from realtime.models import ApiToken
from realtime.rest import LARGEST_PAGE, Pagination, exception_handler
from tests.realtime.people import make_key, make_user

EVENTS = "/api/events/"


@pytest.fixture
def reader(db: None) -> User:
    return make_user("reader", "trading.view_position")


def get(client: Client, authorization: str) -> Any:
    return client.get(EVENTS, headers={"authorization": authorization})


@pytest.mark.parametrize("scheme", ["Token", "Bearer", "token"])
def test_token_opens_rest(client: Client, reader: User, scheme: str) -> None:
    key = make_key(reader)
    assert get(client, f"{scheme} {key}").status_code == 200
    assert ApiToken.objects.get().last_used is not None


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "not_authenticated"),
        ("Basic abc", "not_authenticated"),
        ("Token", "authentication_failed"),
        ("Token a b", "authentication_failed"),
        ("Token unknown", "invalid_token"),
        ("Token \xe9\xff", "invalid_token"),
    ],
)
@pytest.mark.django_db
def test_everything_else_is_a_401_that_names_the_scheme(
    client: Client, authorization: str, code: str
) -> None:
    answer = get(client, authorization)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Token"
    body = answer.json()
    assert body["code"] == code
    assert body["message"]
    assert body["fields"] == {}


def test_session_opens_rest(client: Client, reader: User) -> None:
    client.force_login(reader)
    assert client.get(EVENTS).status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (
            exceptions.ValidationError({"symbol": ["Not a symbol."]}),
            400,
            {"code": "invalid_value", "fields": {"symbol": ["Not a symbol."]}},
        ),
        (
            exceptions.ValidationError("No."),
            400,
            {"code": "invalid_value", "message": "No.", "fields": {"non_field_errors": ["No."]}},
        ),
        (exceptions.PermissionDenied("No."), 403, {"code": "permission_denied", "message": "No."}),
        (exceptions.Throttled(), 429, {"code": "throttled", "fields": {}}),
        (exceptions.ParseError("Bad."), 400, {"code": "parse_error", "message": "Bad."}),
        (Http404("Gone."), 404, {"code": "not_found", "message": "Gone.", "fields": {}}),
        (Http404(), 404, {"code": "not_found", "message": "not found"}),
        (PermissionDenied(), 403, {"code": "permission_denied"}),
        (OperationalError("at 10.0.0.7"), 503, {"code": "unavailable", "fields": {}}),
        (InterfaceError("closed"), 503, {"code": "unavailable", "fields": {}}),
    ],
)
def test_errors_have_one_shape(error: Exception, status: int, body: dict[str, Any]) -> None:
    response = exception_handler(error, {})
    assert response is not None
    assert response.status_code == status
    assert set(response.data) == {"code", "message", "fields"}
    assert response.data["message"]
    assert response.data | body == response.data
    assert "10.0.0.7" not in response.data["message"]


def test_what_is_no_answer_is_raised_further() -> None:
    assert exception_handler(ZeroDivisionError(), {}) is None


def test_pages_have_a_largest_size() -> None:
    assert LARGEST_PAGE == 500
    assert Pagination.max_page_size == LARGEST_PAGE
