"""One relay for each process: started when first needed, woken by commits, gone after a fork."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any

from realtime.conf import conf
from realtime.layer import layer_is_shared
from realtime.log.database import numbers_on_append
from realtime.relaying import Receiver, Relay

__all__ = (
    "Receiver",
    "Relay",
    "attach",
    "current",
    "detach",
    "drain",
    "stop",
    "tell_others",
    "turn",
    "wake",
)

_lock = threading.Lock()
_relay: Relay | None = None


def current() -> Relay | None:
    """This process's relay, if one runs; with `REALTIME_RELAY=off`, the one that `flush` turns."""
    if _relay is None or (conf().relay and not _relay.is_alive()):
        return None
    return _relay


def wake() -> None:
    """Tell the relay that something was committed: sets a flag, never waits, never raises."""
    if not conf().relay:
        return
    relay = current()
    if relay is None and (not numbers_on_append() or layer_is_shared()):
        relay = _start()
    if relay is not None:
        relay.wake()


def attach(receiver: Receiver) -> Relay:
    """Give `receiver`, the hub of this process, every event from now on."""
    relay = current() or _start()
    if relay is None:
        raise RuntimeError("the interpreter is shutting down")
    relay.attach(receiver)
    return relay


def detach(receiver: Receiver) -> None:
    """Stop giving events to `receiver`."""
    relay = current()
    if relay is not None:
        relay.detach(receiver)


def tell_others(message: dict[str, Any]) -> None:
    """Send `message` to the hubs of other processes, if a channel layer reaches them."""
    if not conf().relay or not layer_is_shared():
        return
    relay = current() or _start()
    if relay is not None and relay.publisher is not None:
        relay.publisher.send(message)


def turn() -> None:
    """Number and hand over what is committed, in this thread: for tests without the relay's own."""
    relay = current() or _start()
    if relay is not None:
        relay.turn()


def drain(*, deadline_seconds: float) -> bool:
    """Wait until everything that this process committed is handed on; False at the deadline.

    Commands that write call it before they return. Nothing is lost without it: servers poll.
    """
    wake()
    relay = current()
    return relay is None or relay.drain(deadline_seconds)


def stop() -> None:
    """End this process's relay and wait for its thread; tests and orderly shutdowns do."""
    global _relay
    with _lock:
        relay, _relay = _relay, None
    if relay is not None:
        relay.stop()


def _start() -> Relay | None:
    global _relay
    with _lock:
        running = current()
        if running is None:
            if not conf().relay:
                # It is turned by hand, and would leave the publisher's thread behind.
                _relay = Relay(publishes=False)
                return _relay
            running = Relay()
            # At interpreter exit no thread can start; the servers' poll finds what was committed.
            with contextlib.suppress(RuntimeError):
                running.start()
            _relay = running if running.is_alive() else None
        return _relay


def _forget() -> None:
    # A forked child inherits this module but neither the thread nor a connection it may use.
    global _relay, _lock
    _relay = None
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
