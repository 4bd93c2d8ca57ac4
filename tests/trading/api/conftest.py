"""What the tests of REST share: a trader of the default account, and its client."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from tests.trading.api.conformance import check_answer
from tests.trading.api.people import add_trader, signed_in
from trading.models import Account


@pytest.fixture(autouse=True)
def _answers_are_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer that a test of REST gets is in the OpenAPI document, as it is there."""
    ask = APIClient.request

    def ask_and_check(client: APIClient, **request: Any) -> Any:
        response = ask(client, **request)
        check_answer(response, method=request["REQUEST_METHOD"])
        return response

    monkeypatch.setattr(APIClient, "request", ask_and_check)


@pytest.fixture
def trader(default_account: Account) -> User:
    """A member of the default account who may do everything."""
    return add_trader("trader", default_account.pk)


@pytest.fixture
def client(trader: User) -> APIClient:
    """The trader's client."""
    return signed_in(trader)
