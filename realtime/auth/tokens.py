"""Auth tokens: made once, stored as a digest, looked up in one query."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError
from django.utils import timezone
from knox.crypto import hash_token
from knox.models import get_token_model

from realtime.auth.user_permissions import in_chunks

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

LAST_USED_EVERY = timedelta(minutes=1)
LONGEST_KEY = 512


class InvalidToken(Exception):
    """The token is unknown, or its user is not active."""

    code = "invalid_token"
    # Whether somebody may be guessing.
    is_unknown = True


class TokenExpired(InvalidToken):
    """The token has expired."""

    code = "token_expired"
    is_unknown = False


class TokenRevoked(InvalidToken):
    """The token was taken back, or belongs to a password that has changed."""

    code = "token_revoked"
    is_unknown = False


def create_token(
    user: AbstractBaseUser, *, name: str = "", lifetime: timedelta | None = None
) -> tuple[Any, str]:
    """Make a token for `user`; returns `(token, key)`: the key is shown now and never again.

    Without a `lifetime` it does not expire.
    """
    token, key = get_token_model().objects.create(user=user, expiry=lifetime, name=name)
    return token, str(key)


def find_token(key: str) -> Any:
    """The token with this key, its user loaded; raises InvalidToken or TokenExpired."""
    # knox's own lookup reads every token of the user; the digest is the primary key.
    if not 0 < len(key) <= LONGEST_KEY:
        raise InvalidToken("The token is not known.")
    model = get_token_model()
    token = model.objects.select_related("user").filter(digest=hash_token(key)).first()
    if token is None or not token.user.is_active:
        raise InvalidToken("The token is not known, or its user is not active.")
    if token.expiry is not None and token.expiry <= timezone.now():
        raise TokenExpired("The token has expired. Issue a new one.")
    return token


def find_expiries(digests: Collection[str]) -> dict[str, datetime | None]:
    """By digest, when each of these tokens expires, if ever; those that are gone are missing."""
    rows = get_token_model().objects
    return {
        digest: expiry
        for chunk in in_chunks(digests)
        for digest, expiry in rows.filter(pk__in=chunk).values_list("pk", "expiry")
    }


def note_use(token: Any) -> None:
    """Record that the token was used, once a minute at most; never fails for a busy database."""
    moment = timezone.now()
    if token.last_used is not None and moment - token.last_used < LAST_USED_EVERY:
        return
    try:
        type(token).objects.filter(pk=token.pk).update(last_used=moment)
    except DatabaseError:
        return
