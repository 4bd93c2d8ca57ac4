"""A closed position that is corrected in the admin: its realised PnL follows what was typed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.trading.test_admin import post_correction
from trading import services
from trading.models import Position

pytestmark = pytest.mark.django_db


def test_the_realised_pnl_follows_a_corrected_entry_price(position: Position) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    closed = services.close_position(
        position_id=position.pk, spot_exit_price="45500", perp_exit_price="45400"
    )
    assert closed.realized_pnl == 11
    prices = {"spot_current_price": "45500", "perp_current_price": "45400"}
    assert post_correction(client, closed, spot_entry_price="44900", **prices) == 302
    stored = Position.objects.get(pk=position.pk)
    assert (stored.realized_pnl, stored.unrealized_pnl) == (21, 0)
    # What comes later counts from there.
    services.accrue_funding(position_id=position.pk, amount="0.5", at=closed.opened_at)
    assert Position.objects.get(pk=position.pk).realized_pnl == Decimal("21.5")
