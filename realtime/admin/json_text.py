"""Looking into the log's JSON texts in the database: the same on PostgreSQL and SQLite."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import orjson
from django.db.models import F, Func, Q, TextField, Value
from django.db.models.lookups import IContains, In

_BARE = re.compile(r"(?:-?\d+(?:\.\d+)?|true|false)\Z", re.ASCII)


class JsonText(Func):
    """The JSON text of one field of `data`: `"ERROR"`, quotes included.

    It is compared as it is written, with every character escaped as the log does.
    """

    output_field = TextField()
    arg_joiner = " -> "

    def __init__(self, field: str) -> None:
        super().__init__(F("data"), Value(field))

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> Any:  # type: ignore[override]
        """SQLite's operator."""
        context.setdefault("template", "(%(expressions)s)")
        return super().as_sql(compiler, connection, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """PostgreSQL's operator, on the text as JSON; it knows no null character, `\\u0000`."""
        data, _ = compiler.compile(self.source_expressions[0])
        field, parameters = compiler.compile(self.source_expressions[1])
        # An escaped backslash before `u0000` is none: it is written otherwise first.
        known = f"replace(replace({data}, '\\\\', '\\u005c'), '\\u0000', '\\ufffd')"
        text = f"(CASE WHEN strpos({data}, '\\u0000') = 0 THEN {data} ELSE {known} END)"
        return f"(({text}::json -> {field}::text)::text)", parameters


def has_value(field: str, values: Collection[str]) -> Q:
    """That the data has one of these values in `field`, as scopes and filters write them."""
    texts = sorted({text for value in values for text in _texts(value)})
    written = Q(pk__in=[])
    for text in texts:
        written |= Q(data__contains=text)
    # The first is quick, and leaves few rows to parse.
    return written & Q(In(JsonText(field), texts))


def contains(fields: Collection[str], words: str) -> Q:
    """That one of these fields contains `words`, whatever their case."""
    needle = orjson.dumps(words).decode()[1:-1]
    within = Q(pk__in=[])
    for field in fields:
        within |= Q(IContains(JsonText(field), needle))
    return Q(data__icontains=needle) & within


def _texts(value: str) -> set[str]:
    texts = {orjson.dumps(value).decode()}
    if _BARE.match(value):
        texts.add(value)
    return texts | ({"null"} if value == "" else set())
