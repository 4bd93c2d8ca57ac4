"""`create_token USER`: a token for the stream and REST, shown once."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime.tokens import create_token

LONGEST_NAME = 100


class Command(BaseCommand):
    """Makes a token for a user and prints its key."""

    help = "Make a token for a user and print its key, which is shown only now."

    def add_arguments(self, parser: CommandParser) -> None:
        """The user, and what to call the token."""
        parser.add_argument("user", help="the user's name")
        parser.add_argument("--name", default="", help="what the token is for")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the key alone on standard output, so that a script can take it."""
        model = get_user_model()
        try:
            user = model._default_manager.get_by_natural_key(options["user"])
        except model.DoesNotExist:
            raise CommandError(
                f"There is no user {options['user']!r}. Make one: manage.py createsuperuser"
            ) from None
        if not user.is_active:
            raise CommandError(f"{options['user']!r} is not active: its tokens would be refused.")
        if len(options["name"]) > LONGEST_NAME:
            raise CommandError(f"A token's name holds at most {LONGEST_NAME} characters.")
        _, key = create_token(user, name=options["name"])
        self.stderr.write("The token is shown only now; it is stored as a digest.")
        self.stdout.write(key)
