"""Sessions of Django as credentials: whom a session signs in, one or many at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, load_backend
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from realtime.auth.user_permissions import in_chunks

Data = Mapping[str, Any]


def find_session_user(key: str) -> Any:
    """The active user whom the session signs in; None when it signs in nobody.

    Not `django.contrib.auth.get_user`: after a change of SECRET_KEY that gives the session another
    key, which a WebSocket could not tell the browser.
    """
    data = dict(_read([key])).get(key, {})
    path = str(data.get(BACKEND_SESSION_KEY))
    if path not in settings.AUTHENTICATION_BACKENDS:
        return None
    try:
        user = load_backend(path).get_user(data[SESSION_KEY])
    except (KeyError, ValueError):
        return None
    return user if user is not None and user.is_active and _signs_in(data, user) else None


def find_signed_in(users: Mapping[str, Any]) -> set[str]:
    """Those of the sessions, given with the user whom each signed in, that still do so.

    One query for all of them where sessions are in the database.
    """
    return {key for key, data in _read(users) if _signs_in(data, users[key])}


def _read(keys: Collection[str]) -> Iterator[tuple[str, Data]]:
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not issubclass(store, DatabaseStore):
        for key in keys:
            yield key, dict(store(key).items())
        return
    rows = store.get_model_class()._default_manager.filter(expire_date__gt=timezone.now())
    for chunk in in_chunks(keys):
        for key, text in rows.filter(pk__in=chunk).values_list("pk", "session_data"):
            yield key, store().decode(text)


def _signs_in(data: Data, user: Any) -> bool:
    """Whether it is this user's, and of after the last change of its password."""
    if data.get(SESSION_KEY) != user._meta.pk.value_to_string(user):
        return False
    if data.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return False
    given = data.get(HASH_SESSION_KEY, "")
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(given, valid) for valid in hashes)
