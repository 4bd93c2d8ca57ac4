"""Query parameters of the REST API: read, checked, and refused with a sentence when unknown."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from realtime.rest import LARGEST_PAGE
from trading import amounts
from trading.errors import InvalidSymbol
from trading.models import DEFAULT_ACCOUNT, PositionStatus
from trading.selectors import POSITION_ORDERINGS

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


class OrderingField(serializers.ChoiceField):
    """A column to order by, from its least value or with a hyphen from its largest."""

    def __init__(self, *columns: str) -> None:
        choices = [name for column in columns for name in (column, f"-{column}")]
        known = f"There are: {', '.join(choices)}."
        super().__init__(choices, required=False, error_messages={"invalid_choice": known})


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
            raise ValidationError({name: [query.unknown(name)] for name in unknown})
        query.is_valid(raise_exception=True)
        return dict(query.validated_data)

    def unknown(self, name: str) -> str:
        """What to say of a parameter that is none: the nearest, or what can be asked for."""
        nearest = get_close_matches(name, list(self.fields), n=1)
        if nearest:
            return f"There is no such parameter. Did you mean {nearest[0]}?"
        # What narrows the answer; the order of its rows is a question of its own.
        filters = [key for key, field in self.fields.items() if not _orders(field)]
        return f"There is no such parameter; there are: {', '.join(filters)}."


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
    ordering = OrderingField(*POSITION_ORDERINGS)


class EquityQuery(Page):
    """`GET /api/equity/`."""

    account = serializers.CharField(default=DEFAULT_ACCOUNT)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    ordering = OrderingField("recorded_at")
    points = serializers.IntegerField(
        min_value=FEWEST_POINTS, max_value=LARGEST_PAGE, required=False
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a period that ends before it begins, and pages of a thinned curve."""
        _check_period(attrs)
        if "points" in attrs and ("page" in attrs or "page_size" in attrs):
            raise ValidationError({"points": ["A thinned curve is one page: leave out pages."]})
        if "points" in attrs and "ordering" in attrs:
            raise ValidationError({"points": ["A thinned curve is oldest first: no `ordering`."]})
        return attrs


class FillsQuery(Page):
    """`GET /api/positions/{position_id}/fills/`."""


class RiskQuery(Page):
    """`GET /api/risk/`."""

    account = serializers.CharField(default=DEFAULT_ACCOUNT)


class ExportQuery(Query):
    """`GET /api/…/export/`: days in UTC, both included."""

    account = ValuesField(required=False)
    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a period that ends before it begins."""
        _check_period(attrs)
        return attrs


def _orders(field: object) -> bool:
    return isinstance(field, OrderingField)


def _check_period(attrs: dict[str, Any]) -> None:
    if "since" in attrs and "until" in attrs and attrs["since"] > attrs["until"]:
        raise ValidationError({"until": ["It lies before `since`."]})
