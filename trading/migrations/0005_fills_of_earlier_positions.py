"""Positions from before fills: each was opened, and maybe closed, whole; now rows say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import migrations

CHUNK = 500
BOOKED = ("spot_closed_quantity", "perp_closed_quantity", "closed_pnl", "priced_at")


def add_fills(apps: Any, schema_editor: Any) -> None:
    """Add the fills of every position that has none, and what is closed of it."""
    alias = schema_editor.connection.alias
    fill = apps.get_model("trading", "Fill")
    positions = apps.get_model("trading", "Position").objects.using(alias)
    newest = None
    while True:
        rows = positions.filter(fills__isnull=True).order_by("pk")
        chunk = list((rows if newest is None else rows.filter(pk__gt=newest))[:CHUNK])
        if not chunk:
            return
        newest = chunk[-1].pk
        fill.objects.using(alias).bulk_create(
            [row for position in chunk for row in fills_of(position, fill)]
        )
        for position in chunk:
            position.priced_at = position.updated_at
            if position.status == "closed":
                position.spot_closed_quantity = position.spot_quantity
                position.perp_closed_quantity = position.perp_quantity
                gain = position.realized_pnl - position.funding_collected + position.fees
                position.closed_pnl = gain
        positions.bulk_update(chunk, BOOKED)


def fills_of(position: Any, fill: Any) -> Iterator[Any]:
    """An opening fill of each leg, and a closing one when it is closed; fees go with the first."""
    for leg in ("spot", "perp"):
        quantity = getattr(position, f"{leg}_quantity")
        yield fill(
            position=position,
            leg=leg,
            effect="opening",
            price=getattr(position, f"{leg}_entry_price"),
            quantity=quantity,
            fee=position.fees if leg == "spot" else 0,
            recorded_at=position.opened_at,
        )
        if position.status == "closed":
            yield fill(
                position=position,
                leg=leg,
                effect="closing",
                price=getattr(position, f"{leg}_exit_price"),
                quantity=quantity,
                recorded_at=position.closed_at,
            )


class Migration(migrations.Migration):
    """Apart from the columns: PostgreSQL changes no table in which rows wait for their checks."""

    dependencies = [("trading", "0004_fills")]

    operations = [migrations.RunPython(add_fills, migrations.RunPython.noop)]
