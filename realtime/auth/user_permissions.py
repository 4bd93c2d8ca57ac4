"""The permissions of many users in three queries, whatever their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from django.contrib.auth import get_backends
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, PermissionsMixin

# Less than any database takes as the parameters of one statement.
LARGEST_CHUNK = 10_000
# How Django's own backend finds permissions: a backend that does it otherwise decides itself.
OWN_WAYS = ("_get_permissions", "_get_user_permissions", "_get_group_permissions")

Names = set[str]


def preload_permissions(users: Sequence[Any]) -> None:
    """Give `users` the permissions that `has_perm` would read for each of them alone.

    Where a backend finds them in its own way nothing is preloaded, and it is asked for each user.
    """
    ordinary = [user for user in users if not getattr(user, "is_superuser", False)]
    if not ordinary or not isinstance(ordinary[0], PermissionsMixin) or not _django_decides():
        return
    own = _user_permissions(ordinary)
    of_groups = _group_permissions(ordinary)
    for user in ordinary:
        # What ModelBackend keeps on the instance, and asks no query for.
        user._user_perm_cache = own[user.pk]
        user._group_perm_cache = of_groups[user.pk]


def in_chunks(values: Collection[Any]) -> Iterator[list[Any]]:
    """The values in lists that a statement can take."""
    everything = list(values)
    for start in range(0, len(everything), LARGEST_CHUNK):
        yield everything[start : start + LARGEST_CHUNK]


def _django_decides() -> bool:
    return all(
        getattr(type(backend), way) is getattr(ModelBackend, way)
        for backend in get_backends()
        if isinstance(backend, ModelBackend)
        for way in OWN_WAYS
    )


def _user_permissions(users: Sequence[Any]) -> defaultdict[Any, Names]:
    found: defaultdict[Any, Names] = defaultdict(set)
    for user_pk, app, codename in _rows(
        users, "user_permissions__content_type__app_label", "user_permissions__codename"
    ):
        if codename is not None:
            found[user_pk].add(f"{app}.{codename}")
    return found


def _group_permissions(users: Sequence[Any]) -> defaultdict[Any, Names]:
    """By way of the groups: they are few, and share what they allow."""
    members = [(user_pk, group) for user_pk, group in _rows(users, "groups") if group is not None]
    allowed: defaultdict[Any, Names] = defaultdict(set)
    for chunk in in_chunks({group for _, group in members}):
        rows = Group._default_manager.filter(pk__in=chunk).order_by()
        for group, app, codename in rows.values_list(
            "pk", "permissions__content_type__app_label", "permissions__codename"
        ):
            if codename is not None:
                allowed[group].add(f"{app}.{codename}")
    found: defaultdict[Any, Names] = defaultdict(set)
    for user_pk, group in members:
        found[user_pk] |= allowed[group]
    return found


def _rows(users: Sequence[Any], *fields: str) -> Iterator[tuple[Any, ...]]:
    manager = type(users[0])._default_manager
    for chunk in in_chunks([user.pk for user in users]):
        yield from manager.filter(pk__in=chunk).order_by().values_list("pk", *fields)
