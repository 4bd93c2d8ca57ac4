"""`create_token USER`: a token for the stream and REST, shown once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_date, parse_datetime

from realtime.auth.tokens import create_token
from realtime.timestamps import isoformat, now

LONGEST_NAME = 100
LIFETIME = re.compile(r"(?P<count>[1-9]\d{0,6})(?P<unit>[mhdw])")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST_LIFETIME = timedelta(days=36_500)
FORMS = "30d, 12h, 45m or 2w, or a day such as 2027-01-31, or a time such as 2027-01-31T18:00Z"


class Command(BaseCommand):
    """Makes a token for a user and prints its key."""

    help = "Make a token for a user and print its key, which is shown only now."

    def add_arguments(self, parser: CommandParser) -> None:
        """The user, what to call the token, and its end."""
        parser.add_argument("user", help="the user's name")
        parser.add_argument("--name", default="", help="what the token is for")
        parser.add_argument("--expires", metavar="WHEN", help=f"when it ends: {FORMS}")

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
        given = options["expires"]
        lifetime = None if given is None else read_lifetime(given, moment=now())
        token, key = create_token(user, name=options["name"], lifetime=lifetime)
        end = "" if token.expiry is None else f" It ends at {isoformat(token.expiry)}."
        self.stderr.write(f"The token is shown only now; it is stored as a digest.{end}")
        self.stdout.write(key)


def read_lifetime(text: str, *, moment: datetime) -> timedelta:
    """How long from `moment` until `text`, a length, a day or a time; raises CommandError."""
    found = LIFETIME.fullmatch(text.strip())
    if found is not None:
        lifetime = timedelta(**{UNITS[found["unit"]]: int(found["count"])})
    else:
        lifetime = _read_end(text.strip()) - moment
    if lifetime <= timedelta():
        raise CommandError(f"--expires {text!r} has passed already.")
    if lifetime > LONGEST_LIFETIME:
        raise CommandError(f"--expires {text!r} is more than a hundred years away; leave it out.")
    return lifetime


def _read_end(text: str) -> datetime:
    """A day ends it at its beginning, in UTC, as does a time without a zone."""
    try:
        day = parse_date(text)
        end = datetime(day.year, day.month, day.day, tzinfo=UTC) if day else parse_datetime(text)
    except ValueError:
        end = None
    if end is None:
        raise CommandError(f"--expires {text!r} cannot be read; write {FORMS}.")
    return end if end.tzinfo is not None else end.replace(tzinfo=UTC)
