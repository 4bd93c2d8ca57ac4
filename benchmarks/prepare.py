"""Fills an empty database: the tables, a user who sees every feed, live positions."""

from __future__ import annotations

import sys
from decimal import Decimal

import django
import orjson

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT")


def prepare(*, positions: int) -> str:
    """Fill the database that the environment names; returns a token."""
    from django.contrib.auth.models import Permission, User
    from django.core.management import call_command

    from realtime.auth.tokens import create_token
    from realtime.feeds import feeds
    from trading.models import DEFAULT_ACCOUNT, Account

    call_command("migrate", verbosity=0, interactive=False)
    user = User.objects.create(username="bench")
    for feed in feeds().values():
        if feed.permission is not None:
            app, codename = feed.permission.split(".")
            user.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )
    Account.objects.get(pk=DEFAULT_ACCOUNT).members.add(user)
    for number in range(positions):
        open_position(number)
    _, key = create_token(user, name="bench")
    return key


def open_position(number: int) -> None:
    """Open one position; the number decides its symbol and size."""
    from trading.services import positions

    price = Decimal(100 + number)
    positions.open_position(
        symbol=SYMBOLS[number % len(SYMBOLS)],
        spot_entry_price=price,
        perp_entry_price=price + Decimal("0.25"),
        spot_current_price=price,
        perp_current_price=price,
        spot_quantity=Decimal("1.5"),
        perp_quantity=Decimal("1.5"),
        leverage=2,
        fees=Decimal("0.75"),
        strategy_id=f"bench-{number}",
        simulated=True,
    )


if __name__ == "__main__":
    django.setup()
    print(orjson.dumps({"token": prepare(**orjson.loads(sys.argv[1]))}).decode())
