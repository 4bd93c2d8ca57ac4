"""A serializer of plain columns, asked once for its fields: DRF asks anew for every row."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from django.db.models import Model
from rest_framework import serializers

Column = tuple[str, Callable[[Any], Any], Callable[[Any], Any]]


class ReadySerializer:
    """Writes rows as the serializer would; each column has its name, its getter, its writer."""

    def __init__(self, columns: list[Column]) -> None:
        self._columns = columns

    def to_representation(self, instance: Model) -> dict[str, Any]:
        """The row's data."""
        data = {}
        for name, get, write in self._columns:
            value = get(instance)
            data[name] = None if value is None else write(value)
        return data


def made_ready(serializer: Any, model: type[Model]) -> Any:
    """`serializer` itself when it does more than write columns."""
    if type(serializer).to_representation is not serializers.Serializer.to_representation:
        return serializer
    names = {field.attname for field in model._meta.concrete_fields}
    fields = list(serializer._readable_fields)
    for field in fields:
        # A method, a relation or a default is DRF's business.
        is_plain = type(field).get_attribute is serializers.Field.get_attribute
        if not is_plain or field.source not in names:
            return serializer
    return ReadySerializer(
        [(field.field_name, attrgetter(field.source), field.to_representation) for field in fields]
    )
