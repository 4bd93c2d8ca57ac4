"""What takes access away, followed by Django's signals: tokens, users, permissions, sessions.

Writes that send no signal (`queryset.update()`, raw SQL) are found by the re-check.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model, user_logged_out
from django.contrib.auth.models import Group
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete
from knox.models import get_token_model

from realtime.auth.access import access_changed, everybodys_access_changed, session_ended

CHANGES = frozenset({"post_add", "post_remove", "post_clear"})
# What every login writes, and no permission depends on.
LAST_LOGIN = frozenset({"last_login"})


def connect() -> None:
    """Follow every signal of something that a connection rests on."""
    user, token = get_user_model(), get_token_model()
    _connect(post_save, _token_saved, token)
    _connect(post_delete, _token_deleted, token)
    _connect(post_save, _user_saved, user)
    _connect(pre_delete, _user_deleted, user)
    _connect(pre_delete, _group_deleted, Group)
    _connect(m2m_changed, _many_changed, Group.permissions.through)
    for name in ("user_permissions", "groups"):
        # A site's own model of users may have neither.
        if hasattr(user, name):
            _connect(m2m_changed, _users_changed, getattr(user, name).through)
    user_logged_out.connect(_logged_out, dispatch_uid="realtime.revocations.logged_out")


def _connect(signal: Any, receiver: Any, sender: Any) -> None:
    uid = f"realtime.revocations.{receiver.__name__}.{sender.__name__}"
    signal.connect(receiver, sender=sender, dispatch_uid=uid)


def _token_saved(instance: Any, created: bool, **_: Any) -> None:
    if not created:
        access_changed([instance.user_id])


def _token_deleted(instance: Any, **_: Any) -> None:
    access_changed([instance.user_id])


def _user_saved(
    instance: Any, created: bool, update_fields: Collection[str] | None, **_: Any
) -> None:
    if not created and update_fields != LAST_LOGIN:
        access_changed([instance.pk])


def _user_deleted(instance: Any, **_: Any) -> None:
    # Afterwards it has no key; the connections are told after the commit.
    access_changed([instance.pk])


def _group_deleted(**_: Any) -> None:
    everybodys_access_changed()


def _many_changed(action: str, **_: Any) -> None:
    if action in CHANGES:
        everybodys_access_changed()


def _users_changed(
    # The user, or in reverse the permission or group whose users are changed.
    instance: Any,
    action: str,
    reverse: bool,
    pk_set: set[Any] | None,
    **_: Any,
) -> None:
    if action not in CHANGES:
        return
    if not reverse:
        access_changed([instance.pk])
    elif pk_set is None:
        # Cleared: nobody knows any more who they were.
        everybodys_access_changed()
    else:
        access_changed(pk_set)


def _logged_out(request: Any, user: Any, **_: Any) -> None:
    # Sent before the session is emptied: to look again now would find it still there.
    key = getattr(getattr(request, "session", None), "session_key", None)
    if user is not None and key:
        session_ended(user.pk, key)
