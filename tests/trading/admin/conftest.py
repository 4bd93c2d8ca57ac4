"""What the tests of trading's admin share: an operator, and a clerk of one account."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.browsers import browser_of, make_staff
from trading.models import Account

EVERYTHING = (
    "trading.view_account",
    "trading.change_account",
    "trading.view_position",
    "trading.change_position",
    "trading.delete_position",
    "trading.view_equitysnapshot",
    "trading.view_riskstatus",
    "trading.change_riskstatus",
    "trading.view_riskchange",
)


@pytest.fixture
def operator(db: None) -> Client:
    """A superuser's browser."""
    return browser_of(User.objects.create_superuser("operator"))


@pytest.fixture
def clerk(db: None) -> Client:
    """The browser of somebody with every permission, for the account `north` alone."""
    user = make_staff("clerk", *EVERYTHING)
    Account.objects.get_or_create(pk="north")[0].members.add(user)
    return browser_of(user)
