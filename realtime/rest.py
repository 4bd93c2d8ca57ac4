"""What every REST view shares: authentication by token or JWT, pages, and the shape of errors.

Apart from the views, because Django REST framework imports this while it is being imported.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response

from realtime import metrics

if TYPE_CHECKING:
    from realtime.auth.tokens import InvalidToken

logger = logging.getLogger(__name__)

LARGEST_PAGE = 500
# Where Django REST framework puts what concerns no single field.
NON_FIELD_ERRORS = "non_field_errors"


class BodyTooLarge(exceptions.APIException):
    """The body is larger than DATA_UPLOAD_MAX_MEMORY_SIZE."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = "The body is too large."


class Unavailable(exceptions.APIException):
    """The database is away, or did not go through with it."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_detail = (
        "The server cannot reach its database. Come back with backoff; a write that carried an "
        "Idempotency-Key may be sent again."
    )


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Token KEY` (or `Bearer JWT`), the same that open the stream."""

    keywords = frozenset({b"token", b"bearer"})

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """The token's user; None when there is no such header."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() not in self.keywords:
            return None
        if len(parts) != 2:
            raise exceptions.AuthenticationFailed("The header has to be `Token KEY`.")
        from realtime.auth.keys import find_key
        from realtime.auth.tokens import InvalidToken

        try:
            key = find_key(parts[1].decode("latin-1"))
        except InvalidToken as error:
            raise refusal_of(error, request) from None
        return key.user, key.of

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return "Token"


def refusal_of(error: InvalidToken, request: Request) -> exceptions.APIException:
    """401 with the reason; 429 when too many unknown tokens came from this address."""
    from realtime.auth.guessing import address_of, count_unknown_token

    # What has expired or was revoked was known once: nobody guesses that.
    wait = count_unknown_token(address_of(request)) if error.is_unknown else 0.0
    if wait:
        metrics.auth_failures.labels("throttled").inc()
        return exceptions.Throttled(wait)
    return exceptions.AuthenticationFailed(str(error), code=error.code)


class Pagination(PageNumberPagination):
    """Numbered pages of at most 500."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = LARGEST_PAGE


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every error as `{"code": …, "message": …, "fields": {…}}` with the right status."""
    from rest_framework.views import exception_handler as default_exception_handler

    if isinstance(error, RequestDataTooBig):
        error = BodyTooLarge()
    elif isinstance(error, OperationalError | InterfaceError):
        logger.error("A request fails by the database: %s: %s", type(error).__name__, error)
        error = Unavailable()
    response = default_exception_handler(error, context)
    if response is None:
        return None
    response.data = body = _error_body(error)
    is_failure = isinstance(error, exceptions.AuthenticationFailed | exceptions.NotAuthenticated)
    # A wrong password is counted where it is tried: forms try it, too.
    if is_failure and body["code"] != "invalid_credentials":
        metrics.auth_failures.labels(body["code"]).inc()
    return response


def _error_body(error: Exception) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        detail = error.detail
        fields = detail if isinstance(detail, dict) else {NON_FIELD_ERRORS: detail}
        return {"code": "invalid_value", "message": _message(fields), "fields": fields}
    if isinstance(error, exceptions.APIException):
        codes = error.get_codes()
        code = codes if isinstance(codes, str) else error.default_code
        fields = getattr(error, "fields", {})
        return {"code": code, "message": str(error.detail), "fields": fields}
    code = "not_found" if isinstance(error, Http404) else "permission_denied"
    return {"code": code, "message": str(error) or code.replace("_", " "), "fields": {}}


def _message(fields: dict[str, Any]) -> str:
    """The first thing to say about each field, for a person who reads nothing else."""
    firsts = {name: next(_texts(detail), "Not valid.") for name, detail in fields.items()}
    return " ".join(
        text if name == NON_FIELD_ERRORS else f"{name}: {text}" for name, text in firsts.items()
    )


def _texts(detail: Any) -> Iterator[str]:
    """Every text of a detail; a list of objects has one for each, those without fault empty."""
    if isinstance(detail, dict | list):
        for part in detail.values() if isinstance(detail, dict) else detail:
            yield from _texts(part)
    else:
        yield str(detail)
