"""Query sets whose bulk writes publish: each row that they change, exactly once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any, TypeVar

from django.db import models, transaction

from realtime.changes import chunks, publish_all_saved, require_stream_database

Row = TypeVar("Row", bound=models.Model)


class PublishedQuerySet(models.QuerySet[Row]):
    """`update`, `bulk_create`, `bulk_update` and `delete` publish what they change.

    Rows are locked in the order of their primary keys, so that two bulk writes cannot deadlock.
    Raw SQL and `_raw_delete` publish nothing: `resync` does, afterwards.
    """

    def update(self, **kwargs: Any) -> int:
        """Update every row and publish each as the database has it afterwards."""
        if self.query.is_sliced or self.query.combinator:
            # Django says why not.
            return super().update(**kwargs)
        require_stream_database(self._alias)
        with transaction.atomic(using=self._alias, savepoint=False):
            pks = self._lock()
            count = 0
            for chunk in chunks(pks):
                rows = self._chain().order_by()  # type: ignore[attr-defined]
                # A filter that looks at other rows would see what an earlier chunk did to them.
                rows.query.clear_where()
                count += super(PublishedQuerySet, rows.filter(pk__in=chunk)).update(**kwargs)
                publish_all_saved(self.model, chunk, using=self._alias, created=False)
        return count

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(
        self,
        objs: Iterable[Row],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Row]:
        """Insert rows and publish each; `ignore_conflicts` is refused: nobody knows what it did."""
        if ignore_conflicts:
            raise ValueError(
                "bulk_create(ignore_conflicts=True) does not tell which rows it wrote, so they "
                "cannot be published. Use update_conflicts, or get_or_create."
            )
        require_stream_database(self._alias)
        with transaction.atomic(using=self._alias, savepoint=False):
            made = super().bulk_create(
                objs,
                batch_size=batch_size,
                update_conflicts=update_conflicts,
                update_fields=update_fields,
                unique_fields=unique_fields,
            )
            pks = (
                self._written(made, unique_fields) if update_conflicts else [row.pk for row in made]
            )
            publish_all_saved(self.model, pks, using=self._alias, created=not update_conflicts)
        return made

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete every row; the collector's signals publish each, cascades too."""
        if self.query.is_sliced or self.query.combinator or self.query.distinct_fields:
            return super().delete()
        require_stream_database(self._alias)
        with transaction.atomic(using=self._alias, savepoint=False):
            self._lock()
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def _written(self, rows: Sequence[Row], unique_fields: Collection[str] | None) -> list[Any]:
        """The keys of the rows that an upsert wrote: a row that was there has kept its own."""
        names = list(unique_fields or ("pk",))
        bare: models.QuerySet[Row] = models.QuerySet(self.model, using=self._alias)
        found: list[Any] = []
        for chunk in chunks(rows):
            wanted = [models.Q(**{name: getattr(row, name) for name in names}) for row in chunk]
            matching = bare.filter(reduce(or_, wanted))
            found.extend(matching.order_by("pk").values_list("pk", flat=True))
        return found

    @property
    def _alias(self) -> str:
        self._for_write = True
        return self.db

    def _lock(self) -> list[Any]:
        """Lock the rows in the order of their primary keys and return these."""
        query = self.query
        if len(query.alias_map) <= 1 and not query.annotations and not query.distinct:
            return list(self._keys().select_for_update())
        # A query with joins cannot lock its rows alone: they are locked by their keys, and those
        # that another writer took out of the query meanwhile are left.
        bare: models.QuerySet[Row] = models.QuerySet(self.model, using=self._alias)
        locked: list[Any] = []
        for chunk in chunks(dict.fromkeys(self._keys())):
            keys = bare.filter(pk__in=chunk).order_by("pk").values_list("pk", flat=True)
            still_meant = set(self._keys().filter(pk__in=list(keys.select_for_update())))
            locked.extend(pk for pk in chunk if pk in still_meant)
        return locked

    def _keys(self) -> models.QuerySet[Row, Any]:
        rows = models.QuerySet.values_list(self._chain(), "pk", flat=True)  # type: ignore[attr-defined]
        return rows.using(self._alias).order_by("pk")
