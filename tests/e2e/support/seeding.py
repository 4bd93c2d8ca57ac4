"""A program: makes the users that the tests connect as, and prints their tokens as JSON."""

from __future__ import annotations

import json
from datetime import timedelta

import django

# Anyone can read it: it opens databases that live as long as a test.
ADMIN_PASSWORD = "the-admin-of-a-test"
VIEW_POSITION = "trading.view_position"
EVERY_FEED = (
    VIEW_POSITION,
    "trading.view_equitysnapshot",
    "trading.view_riskstatus",
    "realtime.view_system_log",
    "trading.view_all_accounts",
)
PERMISSIONS = {
    "operator": EVERY_FEED,
    "reader": (VIEW_POSITION, "trading.view_all_accounts"),
    "stranger": (),
    "retired": EVERY_FEED,
}


def seed() -> dict[str, str]:
    """Make the users; returns a token's key by user, and `expired`, one of the operator."""
    from django.contrib.auth.models import Permission, User

    from realtime.auth.tokens import create_token

    users = {name: User.objects.create_user(name) for name in PERMISSIONS}
    for name, permissions in PERMISSIONS.items():
        for label in permissions:
            app, _, codename = label.partition(".")
            users[name].user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )
    users["admin"] = User.objects.create_superuser("admin", password=ADMIN_PASSWORD)
    users["retired"].is_active = False
    users["retired"].save()
    keys = {name: create_token(user)[1] for name, user in users.items()}
    gone = timedelta(hours=-1)
    return keys | {"expired": create_token(users["operator"], lifetime=gone)[1]}


if __name__ == "__main__":
    django.setup()
    print(json.dumps(seed()))
