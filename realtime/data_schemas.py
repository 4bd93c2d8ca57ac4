"""The JSON Schema of a feed's data, read off its serializer: for documents, not for checking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from rest_framework import serializers

from realtime.decimals import FixedDecimalField
from realtime.feeds import Feed, ModelFeed

Schema = Mapping[str, Any]

FIXED_DECIMAL: Schema = {
    "type": "string",
    "pattern": r"^-?[0-9]+(\.[0-9]{1,8})?$",
    "description": "A decimal in fixed notation, never an exponent.",
}
TIME: Schema = {"type": "string", "format": "date-time"}
ANYTHING: Schema = {}

# The first that fits: a subclass stands above what it derives from.
_KINDS: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], Schema], ...] = (
    (FixedDecimalField, FIXED_DECIMAL),
    (serializers.BooleanField, {"type": "boolean"}),
    (serializers.IntegerField, {"type": "integer"}),
    (serializers.FloatField, {"type": "number"}),
    (serializers.UUIDField, {"type": "string", "format": "uuid"}),
    (serializers.DateField, {"type": "string", "format": "date"}),
    (serializers.DateTimeField, TIME),
    (serializers.CharField, {"type": "string"}),
)


def data_schema(feed: Feed) -> Schema:
    """What `data` of the feed's messages holds; clients ignore what they do not know."""
    if feed.data_schema is not None:
        return feed.data_schema
    if isinstance(feed, ModelFeed):
        schema = serializer_schema(feed.serializer_class, feed.model)
        if schema["properties"]:
            return schema
    names = dict.fromkeys([*([feed.key_field] if feed.key_field else []), *feed.filter_fields])
    return {"type": "object", "properties": dict.fromkeys(names, ANYTHING)}


def serializer_schema(
    serializer_class: type[serializers.BaseSerializer[Any]], model: type[Model]
) -> Schema:
    """What the serializer writes of a row of `model`."""
    fields = getattr(serializer_class(), "fields", {})
    properties = {
        name: field_schema(field, model) for name, field in fields.items() if not field.write_only
    }
    return {"type": "object", "required": list(properties), "properties": properties}


def field_schema(field: Any, model: type[Model]) -> Schema:
    """One field's value; `{}` says nothing of a field that is not known here."""
    declared: Schema | None = getattr(field, "data_schema", None)
    if declared is None and isinstance(field, serializers.ChoiceField):
        declared = {"type": "string", "enum": list(field.choices)}
    if declared is None:
        declared = next((schema for kind, schema in _KINDS if isinstance(field, kind)), ANYTHING)
    if not declared or not _may_be_null(field, model):
        return declared
    nullable: dict[str, Any] = {**declared, "type": [declared["type"], "null"]}
    if "enum" in declared:
        nullable["enum"] = [*declared["enum"], None]
    return nullable


def _may_be_null(field: Any, model: type[Model]) -> bool:
    try:
        column = model._meta.get_field(str(field.source))
    except FieldDoesNotExist:
        # Not a column: who knows.
        return True
    return bool(column.null)
