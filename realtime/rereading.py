"""Reads a row again after its write: what is published is what the database has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

Converter = Callable[[Any, Any, BaseDatabaseWrapper], Any]


@dataclass(frozen=True)
class ReadySelect:
    """A SELECT by primary key, compiled once: the ORM would build it again for every save."""

    model: type[models.Model]
    sql: str
    columns: tuple[str, ...]
    converters: tuple[tuple[int, tuple[Converter, ...], Any], ...]

    def fetch(self, pk: Any, *, using: str) -> models.Model | None:
        """The row as a fresh instance; None when there is none."""
        connection = connections[using]
        field = self.model._meta.pk
        assert field is not None
        with connection.cursor() as cursor:
            cursor.execute(self.sql, (field.get_db_prep_value(pk, connection),))
            row = cursor.fetchone()
        if row is None:
            return None
        values = list(row)
        for index, converters, expression in self.converters:
            for convert in converters:
                values[index] = convert(values[index], expression, connection)
        return self.model.from_db(using, self.columns, values)


def reread(
    model: type[models.Model], pk: Any, *, using: str, lock: bool = False
) -> models.Model | None:
    """The row with this primary key as a fresh instance, None without one; `lock` keeps it so."""
    return _ready_select(model, using, lock).fetch(pk, using=using)


def reread_many(model: type[models.Model], pks: Sequence[Any], *, using: str) -> list[models.Model]:
    """The rows with these primary keys, in their order; those that are gone are left out."""
    rows: models.QuerySet[Any] = models.QuerySet(model, using=using)
    found = rows.in_bulk(pks)
    return [found[pk] for pk in pks if pk in found]


@cache
def _ready_select(model: type[models.Model], using: str, lock: bool) -> ReadySelect:
    # A bare query set: a manager with a filter of its own must not hide the row that was written.
    queryset: models.QuerySet[Any] = models.QuerySet(model, using=using).filter(
        pk__in=[_probe(model)]
    )
    if lock and connections[using].features.has_select_for_update:
        queryset = queryset.select_for_update(of=("self",))
    compiler = queryset.query.get_compiler(using)
    sql, _parameters = compiler.as_sql()
    expressions = [expression for expression, _sql, _alias in compiler.select]
    return ReadySelect(
        model=model,
        sql=sql,
        columns=tuple(expression.target.attname for expression in expressions),
        converters=tuple(
            (index, tuple(converters), expression)
            for index, (converters, expression) in compiler.get_converters(expressions).items()
        ),
    )


def _probe(model: type[models.Model]) -> Any:
    """Any value that the primary key's field accepts: the statement is compiled, not run."""
    field: models.Field[Any, Any] | None = model._meta.pk
    assert field is not None
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return {
        "UUIDField": "00000000-0000-0000-0000-000000000000",
        "DateTimeField": "2000-01-01T00:00:00Z",
        "DateField": "2000-01-01",
    }.get(field.get_internal_type(), "0")
