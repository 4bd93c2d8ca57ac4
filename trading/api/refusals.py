"""Trading's errors as REST says them: the same message and code, with the right status."""

from __future__ import annotations

from rest_framework import status
from rest_framework.exceptions import APIException

from trading import errors

STATUSES: tuple[tuple[type[errors.TradingError], int], ...] = (
    (errors.InvalidInput, status.HTTP_400_BAD_REQUEST),
    (errors.NotFound, status.HTTP_404_NOT_FOUND),
    (errors.Conflict, status.HTTP_409_CONFLICT),
    (errors.KeyReused, status.HTTP_422_UNPROCESSABLE_ENTITY),
)


class Refusal(APIException):
    """A trading error on its way out."""

    def __init__(self, error: errors.TradingError) -> None:
        super().__init__(error.message, code=error.code)
        self.status_code = status_of(error)
        self.fields = {name: [text] for name, text in error.fields.items()}


def status_of(error: errors.TradingError) -> int:
    """The HTTP status that says what kind of error this is."""
    return next(number for kind, number in STATUSES if isinstance(error, kind))
