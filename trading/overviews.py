"""Reads of pages that show many accounts and positions at once, each in one query."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

from django.db.models import OuterRef, Subquery

from trading.errors import PositionNotFound
from trading.models import Account, EquitySnapshot, Position, RiskStatus
from trading.selectors import Accounts, unjudged_status, within
from trading.services.locks import parse_position_id


def find_positions(position_ids: Collection[str], *, accounts: Accounts) -> list[Position]:
    """Those of these positions that exist in `accounts`; what is no key names none."""
    keys = []
    for position_id in position_ids:
        with suppress(PositionNotFound):
            keys.append(parse_position_id(position_id))
    return list(within(Position.objects.filter(pk__in=keys), accounts))


def equity_period(*, accounts: Accounts) -> tuple[datetime, datetime] | None:
    """The first and the last market time of the readings; each account's index finds its own."""
    known = Account.objects.all() if accounts is None else Account.objects.filter(pk__in=accounts)
    readings = EquitySnapshot.objects.filter(account=OuterRef("pk")).values("recorded_at")
    ends = known.annotate(
        first=Subquery(readings.order_by("recorded_at")[:1]),
        last=Subquery(readings.order_by("-recorded_at")[:1]),
    ).values_list("first", "last")
    known_ends = [(first, last) for first, last in ends if first is not None]
    if not known_ends:
        return None
    return min(first for first, _ in known_ends), max(last for _, last in known_ends)


def risk_statuses(keys: Collection[str], *, accounts: Accounts) -> list[RiskStatus]:
    """The risk statuses of these accounts, by name; one that was never judged is normal."""
    found = Account.objects.filter(pk__in=keys).select_related("risk_status")
    if accounts is not None:
        found = found.filter(pk__in=accounts)
    return [
        getattr(account, "risk_status", None) or unjudged_status(account)
        for account in found.order_by("pk")
    ]
