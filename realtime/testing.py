"""What the tests of an app need: publish without a thread, and see what was published."""

from __future__ import annotations

from realtime import relay

__all__ = ("flush",)


def flush() -> None:
    """Number and hand over everything that is committed, in this thread, before it returns.

    For tests with `REALTIME_RELAY=off`, where no relay runs by itself.
    """
    relay.turn()
