"""The way into a demo or a cluster on one's own machine: an account, a token, what to paste."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import django

from project.parts import RunError

if TYPE_CHECKING:
    from django.contrib.auth.models import User

HOST = "127.0.0.1"
DEMO_NAME = DEMO_PASSWORD = "demo"
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


def migrate_database() -> None:
    """Set Django up and bring its database up to date; RunError when it cannot be used."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    from django.core.management import call_command
    from django.db import Error

    try:
        call_command("migrate", interactive=False, verbosity=0)
    except Error as error:
        reason = str(error).strip().splitlines()[0]
        raise RunError(f"the database cannot be used: {reason}") from None


def demo_user(*, host: str, debug: bool) -> User:
    """The superuser demo/demo, made only for a server on loopback in DEBUG; else RunError."""
    from django.contrib.auth.models import User

    if host not in LOOPBACK_HOSTS or not debug:
        raise RunError(
            "the account demo/demo exists only on loopback with DEBUG=1. "
            "Unset DEBUG, or run the service itself: make run"
        )
    user, is_new = User.objects.get_or_create(
        username=DEMO_NAME, defaults={"is_staff": True, "is_superuser": True}
    )
    if is_new:
        user.set_password(DEMO_PASSWORD)
        user.save(update_fields=["password"])
    return user


def issue_token(user: User, *, name: str) -> str:
    """A new token for `user`; those of earlier runs, which have the same name, are deleted."""
    from realtime.auth.tokens import create_token
    from realtime.models import ApiToken

    ApiToken.objects.filter(user=user, name=name).delete()
    _, key = create_token(user, name=name)
    return key


def way_in(port: int, token: str, *further: str) -> str:
    """What to open and what to paste, with `further` lines above."""
    python = os.path.relpath(sys.executable) if sys.prefix != sys.base_prefix else sys.executable
    more = "".join(f"  {line}\n" for line in further)
    return f"""
{more}  Page      http://{HOST}:{port}/        Admin  http://{HOST}:{port}/admin/
  Login     {DEMO_NAME} / {DEMO_PASSWORD}
  Token     {token}
  Stream    REALTIME_TOKEN={token} {python} -m realtime.client ws://{HOST}:{port}/ws

  The last line, pasted into another terminal, shows the stream. Ctrl-C stops everything.
"""
