"""Relations that Django changes past every manager are refused by a system check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import CASCADE, PROTECT, SET, SET_DEFAULT, SET_NULL

from realtime.checks import check_settings
from trading.models import Position

POINTER: Any = Position._meta.get_field("account")


def found() -> list[str]:
    return [str(message.id) for message in check_settings(None)]


@pytest.mark.parametrize("on_delete", [SET_DEFAULT, SET(lambda: None)])
def test_rows_that_would_change_unseen_are_refused(
    on_delete: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(POINTER.remote_field, "on_delete", on_delete)
    assert set(found()) == {"realtime.E006"}


@pytest.mark.parametrize("on_delete", [CASCADE, PROTECT, SET_NULL, SET(None)])
def test_rows_that_publish_are_not(
    on_delete: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(POINTER.remote_field, "on_delete", on_delete)
    assert found() == []
