"""JWTs: signed credentials with an end, beside tokens; there when simplejwt is installed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from typing import Any

from django.contrib.auth import get_user_model
from django.utils.crypto import constant_time_compare, salted_hmac

from realtime.auth.tokens import InvalidToken, TokenExpired, TokenRevoked
from realtime.conf import conf

LIBRARY = "rest_framework_simplejwt"
LONGEST_JWT = 4096
# The claim that ties a JWT to the password that its user had.
STAMP_CLAIM = "stamp"
STAMP_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Jwt:
    """A JWT that holds, and whose it is."""

    user: Any
    stamp: str
    expires_at: datetime


@cache
def are_available() -> bool:
    """Whether the library is installed; a site without it has tokens alone."""
    return find_spec(LIBRARY) is not None


def looks_like_jwt(key: str) -> bool:
    """Whether `key` has the form of a JWT; no token has dots."""
    return key.count(".") == 2


def issue_jwts(user: Any) -> dict[str, str]:
    """`{"access": …, "refresh": …}` for `user`, until its password changes."""
    from rest_framework_simplejwt.tokens import RefreshToken

    refresh = RefreshToken.for_user(user)
    refresh[STAMP_CLAIM] = stamp_of(user)
    refresh.set_exp(lifetime=timedelta(seconds=conf().jwt_refresh_seconds))
    return {"access": _access(refresh), "refresh": str(refresh)}


def renew_jwt(key: str) -> str:
    """A new access JWT for a refresh JWT; raises InvalidToken."""
    from rest_framework_simplejwt.tokens import RefreshToken

    refresh = _read(key, RefreshToken)
    _user_of(refresh)
    return _access(refresh)


def find_jwt(key: str) -> Jwt:
    """The access JWT in `key`, its user loaded; raises InvalidToken."""
    from rest_framework_simplejwt.tokens import AccessToken

    access = _read(key, AccessToken)
    user = _user_of(access)
    return Jwt(user, access[STAMP_CLAIM], datetime.fromtimestamp(access["exp"], UTC))


def stamp_of(user: Any) -> str:
    """What every JWT of `user` carries as long as its password is the same."""
    return salted_hmac("realtime.jwts", user.get_session_auth_hash()).hexdigest()[:STAMP_CHARACTERS]


def is_stamp_of(stamp: str, user: Any) -> bool:
    """Whether a JWT with this stamp was issued under the password that `user` has now."""
    return constant_time_compare(stamp, stamp_of(user))


def _access(refresh: Any) -> str:
    access = refresh.access_token
    access.set_exp(lifetime=timedelta(seconds=conf().jwt_access_seconds))
    return str(access)


def _read(key: str, kind: Any) -> Any:
    """The JWT, its signature, end and kind checked."""
    from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError

    if len(key) > LONGEST_JWT:
        raise InvalidToken("The JWT is not valid.")
    try:
        return kind(key)
    except ExpiredTokenError:
        raise TokenExpired("The JWT has expired. Renew it, or sign in again.") from None
    except (TokenError, ValueError, TypeError):
        raise InvalidToken("The JWT is not valid.") from None


def _user_of(jwt: Any) -> Any:
    from rest_framework_simplejwt.settings import api_settings

    stamp = jwt.get(STAMP_CLAIM)
    claim = {api_settings.USER_ID_FIELD: jwt.get(api_settings.USER_ID_CLAIM)}
    try:
        user = get_user_model()._default_manager.filter(**claim).first()
    except (ValueError, TypeError):
        user = None
    if user is None or not user.is_active or not isinstance(stamp, str):
        raise InvalidToken("The JWT is not valid, or its user is not active.")
    if not is_stamp_of(stamp, user):
        raise TokenRevoked("The password has changed since the JWT was issued. Sign in again.")
    return user
