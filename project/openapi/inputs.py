"""Parameters and bodies as the document has them, read off the fields that check them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

from trading.api.bodies import AmountField, Body, TextField
from trading.models import PositionStatus
from trading.queries import Query, StatusesField, SymbolsField, ValuesField

Schema = Mapping[str, Any]

# Texts without a null character.
VALUE: Schema = {"type": "string", "minLength": 1, "pattern": r"^[^\u0000,]+$"}
STATUS: Schema = {"type": "string", "enum": PositionStatus.values}
SYMBOL: Schema = {"type": "string", "pattern": "^[A-Z0-9]{1,20}/[A-Z0-9]{1,10}$"}


def query_parameters(query: type[Query]) -> list[dict[str, Any]]:
    """The parameters of an endpoint."""
    return [_parameter(name, field) for name, field in query().fields.items()]


def body_schema(body: type[Body]) -> dict[str, Any]:
    """The object that a request sends; anything else in it is refused."""
    fields = body().fields
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: field_schema(field) for name, field in fields.items()},
        "additionalProperties": False,
    }
    required = [name for name, field in fields.items() if field.required]
    if required:
        schema["required"] = required
    return schema


def field_schema(field: Any) -> dict[str, Any]:
    """The values that a field takes."""
    schema = dict(_kind(field))
    if field.default is not empty:
        schema["default"] = field.default
    if field.help_text:
        schema["description"] = str(field.help_text)
    return schema


def _parameter(name: str, field: Any) -> dict[str, Any]:
    parameter: dict[str, Any] = {"name": name, "in": "query", "schema": field_schema(field)}
    if isinstance(field, ValuesField):
        # One parameter, its values with commas between.
        parameter["style"], parameter["explode"] = "form", False
    return parameter


def _kind(field: Any) -> Schema:
    if isinstance(field, ValuesField):
        return {"type": "array", "minItems": 1, "items": _value(field)}
    if isinstance(field, serializers.ChoiceField):
        return {"type": "string", "enum": list(field.choices)}
    if isinstance(field, AmountField):
        return {"type": "string", "pattern": field.pattern}
    if isinstance(field, serializers.UUIDField):
        return {"type": "string", "format": "uuid"}
    if isinstance(field, serializers.DateTimeField):
        return {"type": "string", "format": "date-time"}
    if isinstance(field, serializers.DateField):
        return {"type": "string", "format": "date"}
    if isinstance(field, serializers.IntegerField):
        bounds = {"minimum": field.min_value, "maximum": field.max_value}
        return {"type": "integer", **{k: bound for k, bound in bounds.items() if bound is not None}}
    assert isinstance(field, TextField | serializers.CharField), field
    return _text(field)


def _value(field: ValuesField) -> Schema:
    if isinstance(field, StatusesField):
        return STATUS
    return SYMBOL if isinstance(field, SymbolsField) else VALUE


def _text(field: serializers.CharField) -> Schema:
    schema: dict[str, Any] = {"type": "string"}
    if not field.allow_blank:
        # Space alone is no text either.
        schema |= {"minLength": 1, "pattern": r"\S"}
    if field.max_length is not None:
        schema["maxLength"] = field.max_length
    return schema
