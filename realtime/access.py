"""Access that changed: live connections of a user are looked at again, in every process.

At once in this process and, with a shared channel layer, in the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from realtime import hub, relay
from realtime.auth import Refused
from realtime.conf import conf
from realtime.grants import Grants, grants_of, user_key


def access_changed(user_pks: Iterable[Any]) -> None:
    """Look at the connections of these users again, after the commit; never raises.

    An app calls it when it changes what `scope(user)` of one of its feeds depends on.
    """
    keys = sorted({user_key(pk) for pk in user_pks})
    if keys:
        transaction.on_commit(lambda: _tell(keys), using=conf().database, robust=True)


def _tell(keys: list[str]) -> None:
    serving = hub.current()
    if serving is not None:
        serving.access_changed(keys)
    relay.tell_others({"type": hub.ACCESS_MESSAGE, "users": keys})


def present_grants(user_pk: Any) -> Grants | Refused:
    """What a user may see now; Refused when it may see nothing, or is no longer active."""
    user = get_user_model()._default_manager.filter(pk=user_pk, is_active=True).first()
    if user is None:
        return Refused("permission_denied", "The user is no longer active.")
    grants = grants_of(user)
    if not grants.scopes:
        return Refused("permission_denied", f"{grants.user_name} may view no feed any more.")
    return grants
