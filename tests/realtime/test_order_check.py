"""The system check of the order of apps: the first `runserver` is the one that runs."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

APPS = ["knox", "django.contrib.auth", "django.contrib.contenttypes"]


@pytest.mark.parametrize(
    ("order", "found"),
    [
        (["realtime", "django.contrib.staticfiles"], set()),
        (["django.contrib.staticfiles", "realtime"], {"realtime.E007"}),
    ],
)
def test_an_app_with_a_runserver_stands_after_realtime(order: list[str], found: set[str]) -> None:
    with override_settings(INSTALLED_APPS=[*order, *APPS]):
        messages: list[Any] = run_checks()
    assert {message.id for message in messages if message.id == "realtime.E007"} == found
