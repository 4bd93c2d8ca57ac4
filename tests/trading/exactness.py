"""Refuses floats that meet a decimal, in every context that trading computes in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import FloatOperation, localcontext

from trading import amounts, pnl

OWN_CONTEXTS = (pnl.PRECISION, amounts._WIDE, amounts._EXACT)


@contextmanager
def floats_refused() -> Iterator[None]:
    """Comparing, mixing or making a decimal of a float raises FloatOperation inside."""
    with localcontext() as context:
        for each in (context, *OWN_CONTEXTS):
            each.traps[FloatOperation] = True
        try:
            yield
        finally:
            for each in OWN_CONTEXTS:
                each.traps[FloatOperation] = False
