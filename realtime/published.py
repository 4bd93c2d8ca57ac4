"""Models whose changes are events: the row and its event are one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

from django.db import models, router, transaction

from realtime.changes import WrongDatabase, require_stream_database
from realtime.querysets import PublishedQuerySet

__all__ = ("PublishedManager", "PublishedModel", "PublishedQuerySet", "WrongDatabase")

ModelType = TypeVar("ModelType", bound=models.Model)


class PublishedManager(models.Manager[ModelType]):
    """The manager through which every write of a published model goes, relations' too.

    A subclass with query set methods of its own names its `queryset_class`.
    """

    queryset_class: ClassVar[type[PublishedQuerySet[Any]]] = PublishedQuerySet

    def get_queryset(self) -> PublishedQuerySet[ModelType]:
        """A query set whose bulk writes publish."""
        return self.queryset_class(self.model, using=self._db, hints=self._hints)  # type: ignore[attr-defined]


class PublishedModel(models.Model):
    """Base of models whose saves and deletes are published, each in its own transaction.

    An event holds the row as the database has it after the write, not as the caller's instance
    has it. A failing serializer fails the save.
    """

    objects: models.Manager[Any] = PublishedManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(
        self,
        *,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Save the row and its event in one transaction; raises WrongDatabase elsewhere."""
        alias = using or router.db_for_write(type(self), instance=self)
        with _stream_transaction(alias):
            super().save(
                force_insert=force_insert,
                force_update=force_update,
                using=alias,
                update_fields=update_fields,
            )

    def delete(
        self, using: str | None = None, keep_parents: bool = False
    ) -> tuple[int, dict[str, int]]:
        """Delete the row and publish that, in one transaction; raises WrongDatabase elsewhere."""
        alias = using or router.db_for_write(type(self), instance=self)
        with _stream_transaction(alias):
            return super().delete(using=alias, keep_parents=keep_parents)


def _stream_transaction(alias: str) -> transaction.Atomic:
    require_stream_database(alias)
    # Without a savepoint, like Django's own save: nothing here is to be undone alone.
    return transaction.atomic(using=alias, savepoint=False)
