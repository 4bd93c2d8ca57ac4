"""What a test can have done to users in another process; only the desk's worker imports this."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission, User

from realtime.auth.tokens import create_token
from tests.e2e.support.actions import publish_logs

__all__ = ["publish_logs"]


def make_user(*, name: str, password: str) -> str:
    """A user who may see logs by itself and positions by its group; returns a token's key."""
    user = User.objects.create_user(name, password=password, is_staff=True)
    user.user_permissions.add(_permission("view_system_log"))
    group = Group.objects.create(name=f"group of {name}")
    group.permissions.add(_permission("view_position"))
    user.groups.add(group)
    return create_token(user)[1]


def leave_groups(*, name: str) -> None:
    """Take a user out of its groups."""
    User.objects.get(username=name).groups.clear()


def change_password(*, name: str, password: str) -> None:
    """Give a user another password."""
    user = User.objects.get(username=name)
    user.set_password(password)
    user.save()


def deactivate(*, name: str) -> None:
    """Let a user in no more."""
    user = User.objects.get(username=name)
    user.is_active = False
    user.save()


def _permission(codename: str) -> Permission:
    return Permission.objects.get(codename=codename)
