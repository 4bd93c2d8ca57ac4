"""Access that changed: live connections are looked at again, in every process.

At once in this process and, with a shared channel layer, in the others; within
`REALTIME_RECHECK_SECONDS` in any case.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from realtime import hub, relay
from realtime.auth.grants import user_key
from realtime.auth.rechecks import session_digest
from realtime.conf import conf


def access_changed(user_pks: Iterable[Any]) -> None:
    """Look at the connections of these users again, after the commit; never raises.

    An app calls it when it changes what `scope(user)` of one of its feeds depends on.
    """
    keys = sorted({user_key(pk) for pk in user_pks})
    if keys:
        _tell_after_commit({"users": keys})


def everybodys_access_changed() -> None:
    """Look at every connection again, after the commit; never raises.

    For a change that concerns many: the look takes the same few queries for one user and for all.
    """
    _tell_after_commit({"users": [], "everybody": True})


def session_ended(user_pk: Any, session_key: str) -> None:
    """Close what rests on the session, after the commit; never raises."""
    named = [user_key(user_pk), session_digest(session_key)]
    _tell_after_commit({"users": [], "session": named})


def _tell_after_commit(message: dict[str, Any]) -> None:
    transaction.on_commit(lambda: _tell(message), using=conf().database, robust=True)


def _tell(message: dict[str, Any]) -> None:
    serving = hub.current()
    if serving is not None:
        serving.access_changed(message)
    relay.tell_others({"type": hub.ACCESS_MESSAGE, **message})
