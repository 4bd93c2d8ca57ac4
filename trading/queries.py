"""Query parameters of the REST API: read, checked, and refused with a sentence when unknown."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from realtime.rest import LARGEST_PAGE
from trading import amounts
from trading.errors import InvalidSymbol
from trading.models import DEFAULT_ACCOUNT, PositionStatus

FEWEST_POINTS = 2


class ValuesField(serializers.Field[list[str], str, list[str], Any]):
    """Values separated by commas, each at least one character."""

    def to_internal_value(self, data: str) -> list[str]:
        """The values; refuses an empty one."""
        values = [value.strip() for value in data.split(",")]
        if "\x00" in data or not all(values):
            raise ValidationError("Write one value, or several separated by commas.")
        return [self.check(value) for value in values]

    def check(self, value: str) -> str:
        """`value`, or a ValidationError."""
        return value


class SymbolsField(ValuesField):
    """Symbols separated by commas."""

    def check(self, value: str) -> str:
        """`value` when it is BASE/QUOTE."""
        try:
            return amounts.symbol(value)
        except InvalidSymbol as error:
            raise ValidationError(error.message) from None


class StatusesField(ValuesField):
    """Position statuses separated by commas."""

    def check(self, value: str) -> str:
        """`value` when a position can have it."""
        if value not in PositionStatus.values:
            known = ", ".join(PositionStatus.values)
            raise ValidationError(f"{value!r} is no status; there are: {known}.")
        return value


class Query(serializers.Serializer[Any]):
    """The parameters of one endpoint; anything else in the query string is refused."""

    @classmethod
    def read(cls, parameters: QueryDict) -> dict[str, Any]:
        """The checked values of `parameters`; raises ValidationError naming each bad one."""
        # A repeated parameter is the same as its values with commas between.
        given = {name: ",".join(parameters.getlist(name)) for name in parameters}
        query = cls(data=given)
        unknown = sorted(set(given) - set(query.fields) - {"format"})
        if unknown:
            known = ", ".join(query.fields)
            message = f"There is no such parameter; there are: {known}."
            raise ValidationError({name: [message] for name in unknown})
        query.is_valid(raise_exception=True)
        return dict(query.validated_data)


class Page(Query):
    """Which page, and how long."""

    page = serializers.IntegerField(min_value=1, required=False)
    page_size = serializers.IntegerField(min_value=1, max_value=LARGEST_PAGE, required=False)


class PositionsQuery(Page):
    """`GET /api/positions/`."""

    account = ValuesField(required=False)
    symbol = SymbolsField(required=False)
    status = StatusesField(required=False)
    strategy_id = ValuesField(required=False)


class EquityQuery(Page):
    """`GET /api/equity/`."""

    account = serializers.CharField(default=DEFAULT_ACCOUNT)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    points = serializers.IntegerField(
        min_value=FEWEST_POINTS, max_value=LARGEST_PAGE, required=False
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a period that ends before it begins, and pages of a thinned curve."""
        if "since" in attrs and "until" in attrs and attrs["since"] > attrs["until"]:
            raise ValidationError({"until": ["It lies before `since`."]})
        if "points" in attrs and ("page" in attrs or "page_size" in attrs):
            raise ValidationError({"points": ["A thinned curve is one page: leave out pages."]})
        return attrs


class RiskQuery(Page):
    """`GET /api/risk/`."""

    account = serializers.CharField(default=DEFAULT_ACCOUNT)
