"""The admin's columns, for its pages."""

from __future__ import annotations

from django.template import Library
from django.utils.safestring import SafeString

from trading import columns
from trading.models import Position

register = Library()

register.filter("signed", columns.signed)
register.filter("against_limit", columns.against_limit)
register.filter("state", columns.state)


@register.filter
def spot_leg(position: Position) -> SafeString:
    """The long leg with its price now."""
    return columns.leg(
        quantity=position.spot_quantity,
        entry=position.spot_entry_price,
        now=position.spot_current_price,
    )


@register.filter
def perp_leg(position: Position) -> SafeString:
    """The short leg with its price now."""
    return columns.leg(
        quantity=position.perp_quantity,
        entry=position.perp_entry_price,
        now=position.perp_current_price,
    )
