"""The rows in which server processes meet: who runs, what is asked of whom, what was answered."""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from realtime.models import Disconnection, ServerProcess

# A process that has not shown itself for so long is not asked.
LOST_SECONDS = 30.0
# And its row goes after so long.
FORGOTTEN_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a process: its list, under this number, and the end of connections."""

    report: int | None
    disconnections: Sequence[tuple[str, str]]


@dataclass(slots=True)
class ProcessRow:
    """This process as the others see it; every method queries the database."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def show(self, connection_count: int) -> None:
        """Say that the process runs, and how many connections it serves."""
        ServerProcess.objects.update_or_create(
            id=self.id,
            defaults={"seen_at": Now(), "connection_count": connection_count},
            create_defaults={
                "host": platform.node(),
                "pid": os.getpid(),
                "seen_at": Now(),
                "connection_count": connection_count,
            },
        )

    def look(self) -> Wanted:
        """What is asked of this process, or of whichever has a connection."""
        numbers = ServerProcess.objects.filter(id=self.id).values_list("asked", "answered").first()
        asked, answered = numbers or (0, 0)
        waiting = Disconnection.objects.filter(is_done=False).values_list("connection_id", "reason")
        return Wanted(asked if asked > answered else None, list(waiting))

    def answer(self, number: int, connections: Sequence[dict[str, Any]]) -> None:
        """Give the list that was asked for under `number`."""
        ServerProcess.objects.filter(id=self.id).update(
            answered=number, connections=connections, connection_count=len(connections)
        )

    def leave(self) -> None:
        """The process serves nobody any more."""
        ServerProcess.objects.filter(id=self.id).delete()


def ask_all() -> dict[str, int]:
    """Ask every process that runs for its list; the number of each one's question, by its id."""
    ServerProcess.objects.filter(seen_at__lt=_ago(FORGOTTEN_SECONDS)).delete()
    _running().update(asked=F("asked") + 1)
    return dict(_running().values_list("id", "asked"))


def some_run() -> bool:
    """Whether there is any process to ask."""
    return _running().exists()


def have_answered(questions: dict[str, int]) -> bool:
    """Whether every process has answered its question, or is gone."""
    answers = ServerProcess.objects.filter(id__in=questions).values_list("id", "answered")
    return all(answered >= questions[id_] for id_, answered in answers)


def read_answers(questions: dict[str, int]) -> list[tuple[ServerProcess, bool]]:
    """Every process that was asked, and whether its list answers the question."""
    rows = ServerProcess.objects.filter(id__in=questions).order_by("host", "pid")
    return [(row, row.answered >= questions[row.id]) for row in rows]


def ask_to_disconnect(connection_id: str, reason: str) -> int:
    """Ask whichever process has the connection to end it; returns the question's number."""
    return Disconnection.objects.create(connection_id=connection_id, reason=reason).pk


def mark_disconnected(connection_ids: Collection[str]) -> None:
    """Answer that these connections are ended."""
    Disconnection.objects.filter(connection_id__in=connection_ids).update(is_done=True)


def is_disconnected(number: int) -> bool:
    """Whether some process has ended the connection."""
    return Disconnection.objects.filter(pk=number, is_done=True).exists()


def withdraw(number: int) -> bool:
    """Ask no more; returns whether it had been done."""
    was_done = is_disconnected(number)
    Disconnection.objects.filter(pk=number).delete()
    return was_done


def _running() -> QuerySet[ServerProcess]:
    return ServerProcess.objects.filter(seen_at__gte=_ago(LOST_SECONDS))


def _ago(seconds: float) -> Any:
    return Now() - timedelta(seconds=seconds)
