"""What the tests of realtime's admin share: a superuser's browser."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.browsers import browser_of


@pytest.fixture
def operator(db: None) -> Client:
    """A superuser's browser."""
    return browser_of(User.objects.create_superuser("operator"))
