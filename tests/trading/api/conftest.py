"""What the tests of REST share: a trader of the default account, and its client."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from tests.trading.api.people import add_trader, signed_in
from trading.models import Account


@pytest.fixture
def trader(default_account: Account) -> User:
    """A member of the default account who may do everything."""
    return add_trader("trader", default_account.pk)


@pytest.fixture
def client(trader: User) -> APIClient:
    """The trader's client."""
    return signed_in(trader)
