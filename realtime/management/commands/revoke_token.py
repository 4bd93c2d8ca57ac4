"""`revoke_token`: takes tokens back; what is connected by them ends at once."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from knox.crypto import hash_token
from knox.models import get_token_model
from knox.settings import CONSTANTS

from realtime import relay

DRAIN_SECONDS = 5.0
# What the lists of tokens show: a few characters more name one of millions.
SHORTEST_START = 6


class Command(BaseCommand):
    """Revokes one token by how its key begins, or all of a user, or those with a name."""

    help = "Revoke tokens: by how the key begins, of a user, or by name."

    def add_arguments(self, parser: CommandParser) -> None:
        """One key, or the tokens of a user, with a name, or both."""
        parser.add_argument("key", nargs="?", help="how the key begins, or the whole key")
        parser.add_argument("--user", metavar="USER", help="the tokens of this user, all of them")
        parser.add_argument("--name", help="the tokens with this name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Revoke them and say which they were."""
        key, user, name = options["key"], options["user"], options["name"]
        if key is None and user is None and name is None:
            raise CommandError("Say which: how its key begins, --user USER, or --name NAME.")
        if key is not None and (user is not None or name is not None):
            raise CommandError("A key names one token: leave out --user and --name.")
        found = _by_key(key) if key is not None else _by_owner(user, name)
        # One by one: each deletion tells whoever is connected by it.
        for token in found:
            token.delete()
            self.stdout.write(f"Revoked {token.token_key}… of {token.user}{_called(token)}.")
        if not relay.drain(deadline_seconds=DRAIN_SECONDS):
            self.stderr.write("Committed; servers find it by themselves.")


def _by_key(key: str) -> list[Any]:
    tokens = get_token_model().objects.select_related("user")
    if len(key) < SHORTEST_START:
        raise CommandError(f"Give at least {SHORTEST_START} characters of the key's beginning.")
    if len(key) > CONSTANTS.TOKEN_KEY_LENGTH:
        found = list(tokens.filter(digest=hash_token(key)))
    else:
        found = list(tokens.filter(token_key__startswith=key).order_by("created")[:2])
    start = key[:SHORTEST_START]
    if not found:
        raise CommandError(
            f"There is no token {start}…; give its whole key, or up to "
            f"{CONSTANTS.TOKEN_KEY_LENGTH} characters of its beginning."
        )
    if len(found) > 1:
        raise CommandError(f"Several keys begin with {start}…; give more of it.")
    return found


def _by_owner(user: str | None, name: str | None) -> list[Any]:
    tokens = get_token_model().objects.select_related("user").order_by("created")
    if user is not None:
        model = get_user_model()
        try:
            tokens = tokens.filter(user=model._default_manager.get_by_natural_key(user))
        except model.DoesNotExist:
            raise CommandError(f"There is no user {user!r}.") from None
    if name is not None:
        tokens = tokens.filter(name=name)
    found = list(tokens)
    if not found:
        whose = "" if user is None else f" of {user!r}"
        called = "" if name is None else f" called {name!r}"
        raise CommandError(f"There is no token{whose}{called}.")
    return found


def _called(token: Any) -> str:
    return f", called {token.name!r}" if token.name else ""
