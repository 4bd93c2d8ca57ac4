"""REST of signing in: a token or JWTs for a user name and a password, slowly for who guesses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from realtime.api import StreamView
from realtime.auth import jwts
from realtime.auth.guessing import TooManyAttempts, log_in
from realtime.auth.tokens import InvalidToken, create_token
from realtime.conf import conf
from realtime.rest import refusal_of


class OpenView(StreamView):
    """A view for who has no token yet."""

    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    permission_classes: Sequence[Any] = ()

    def get_authenticate_header(self, request: Request) -> str:
        """A wrong password is a 401, which has to name a scheme."""
        return "Token"

    def log_in(self, request: Request) -> Any:
        """The user whose name and password the body holds; 400, 401 or 429 otherwise."""
        given = _texts(request, "username", "password")
        try:
            user = log_in(request._request, **given)
        except TooManyAttempts as error:
            raise exceptions.Throttled(error.seconds, detail=str(error)) from None
        if user is None:
            raise exceptions.AuthenticationFailed(
                "The user name or the password is wrong.", code="invalid_credentials"
            )
        return user


class TokenView(OpenView):
    """`POST /api/token/`: a token for a user name and a password."""

    def post(self, request: Request) -> Response:
        """Answers `{"token": KEY}`: the key is shown this once."""
        seconds = conf().token_seconds
        lifetime = timedelta(seconds=seconds) if seconds else None
        _, key = create_token(self.log_in(request), name="REST", lifetime=lifetime)
        return Response({"token": key})


class JwtView(OpenView):
    """`POST /api/jwt/`: JWTs for a user name and a password."""

    def post(self, request: Request) -> Response:
        """Answers `{"access": JWT, "refresh": JWT}`."""
        return Response(jwts.issue_jwts(self.log_in(request)))


class JwtRefreshView(OpenView):
    """`POST /api/jwt/refresh/`: another access JWT for a refresh JWT."""

    def post(self, request: Request) -> Response:
        """Answers `{"access": JWT}`."""
        given = _texts(request, "refresh")
        try:
            return Response({"access": jwts.renew_jwt(given["refresh"])})
        except InvalidToken as error:
            raise refusal_of(error, request) from None


def _texts(request: Request, *names: str) -> dict[str, str]:
    if not isinstance(request.data, dict):
        raise exceptions.ValidationError({"non_field_errors": ["An object is expected."]})
    given: dict[str, Any] = {name: request.data.get(name) for name in names}
    missing = {
        name: ["A text is required."] for name, value in given.items() if not _is_text(value)
    }
    if missing:
        raise exceptions.ValidationError(missing)
    return given


def _is_text(value: object) -> bool:
    # Databases refuse a null character.
    return isinstance(value, str) and bool(value) and "\x00" not in value
