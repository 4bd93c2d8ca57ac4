"""The rows in which server processes meet: what is asked, and what each of them answered."""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db.models import Max, Model, QuerySet
from django.db.models.functions import Now

from realtime.conf import conf
from realtime.models import ConnectionsQuestion, Disconnection, ServerProcess

AnyModel = TypeVar("AnyModel", bound=Model)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked: a list, under this number, and the end of connections."""

    question: int | None
    disconnections: Sequence[tuple[str, str]]


@dataclass(slots=True)
class ProcessRow:
    """This process as the others see it; every method queries the database."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    answered: int = 0

    def look(self) -> Wanted:
        """What is asked of this process, or of whichever has a connection."""
        newest = _rows(ConnectionsQuestion).aggregate(newest=Max("pk"))["newest"] or 0
        waiting = _rows(Disconnection).filter(is_done=False).values_list("connection_id", "reason")
        return Wanted(newest if newest > self.answered else None, list(waiting))

    def answer(self, question: int, connections: Sequence[dict[str, Any]]) -> None:
        """Give the list that was asked for."""
        values = {
            "host": platform.node(),
            "pid": os.getpid(),
            "answered_at": Now(),
            "question": question,
            "connections": connections,
        }
        _rows(ServerProcess).update_or_create(id=self.id, defaults=values)
        self.answered = question

    def leave(self) -> None:
        """The process serves nobody any more."""
        if self.answered:
            _rows(ServerProcess).filter(id=self.id).delete()


def ask() -> int:
    """Ask every process for its list; returns the question's number."""
    number: int = _rows(ConnectionsQuestion).create().pk
    _rows(ConnectionsQuestion).filter(pk__lt=number).delete()
    return number


def all_have_answered(number: int) -> bool:
    """Whether every process that has ever answered, and has not left, has answered this."""
    return not _rows(ServerProcess).filter(question__lt=number).exists()


def take_answers(number: int) -> list[tuple[ServerProcess, bool]]:
    """Every process with its last answer, and whether that answers the question.

    One that has not answered is forgotten: it is listed again once it does.
    """
    rows = list(_rows(ServerProcess).order_by("host", "pid"))
    _rows(ServerProcess).filter(question__lt=number).delete()
    return [(row, row.question >= number) for row in rows]


def ask_to_disconnect(connection_id: str, reason: str) -> int:
    """Ask whichever process has the connection to end it; returns the question's number."""
    return int(_rows(Disconnection).create(connection_id=connection_id, reason=reason).pk)


def mark_disconnected(connection_ids: Collection[str]) -> None:
    """Answer that these connections are ended."""
    _rows(Disconnection).filter(connection_id__in=connection_ids).update(is_done=True)


def is_disconnected(number: int) -> bool:
    """Whether some process has ended the connection."""
    return _rows(Disconnection).filter(pk=number, is_done=True).exists()


def withdraw(number: int) -> bool:
    """Ask no more; returns whether it had been done."""
    was_done = is_disconnected(number)
    _rows(Disconnection).filter(pk=number).delete()
    return was_done


def _rows(model: type[AnyModel]) -> QuerySet[AnyModel]:
    """The rows where the stream is: what reads it reads them, too."""
    return model._base_manager.using(conf().database)
