"""Users with some permissions, and their tokens."""

from __future__ import annotations

from django.contrib.auth.models import Permission, User

from realtime.auth.tokens import create_token


def make_user(name: str = "reader", *permissions: str) -> User:
    """A user with these permissions, each `app.codename`."""
    user = User.objects.create_user(name, password="secret words")
    for permission in permissions:
        app, _, codename = permission.partition(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return user


def make_key(user: User) -> str:
    """The key of a new token."""
    return create_token(user)[1]
