"""One service for each of several rows: each its own transaction, its own outcome, its own log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from realtime.admin.lists import FastAdmin
from trading.errors import TradingError


def apply(
    service: Callable[[], Any],
    *,
    model_admin: FastAdmin,
    request: HttpRequest,
    log_message: str,
) -> TradingError | None:
    """Run `service` and write the admin's log in one transaction; returns why it was refused."""
    try:
        with transaction.atomic():
            changed = service()
            model_admin.log_change(request, changed, log_message)
    except TradingError as error:
        return error
    return None
