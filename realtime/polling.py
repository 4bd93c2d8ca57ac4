"""How a server notices other processes' commits: one cheap question, asked often."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any

from realtime.conf import conf
from realtime.log.database import connection, fetch
from realtime.log.standing import standing

SQLITE_SECONDS = 0.02
POSTGRESQL_SECONDS = 0.05
POSTGRESQL_WITH_LAYER_SECONDS = 0.25
# Unlike any answer: the first one is always news.
_NOTHING_YET = object()


class Poll(ABC):
    """Asks whether anything was committed since the last question."""

    default_seconds: float

    def __init__(self) -> None:
        self.seconds = conf().poll_seconds or self.default_seconds
        self.cost_seconds = 0.0
        # How many events were seen to wait for their number.
        self.unnumbered = 0
        self._last: Any = _NOTHING_YET

    def has_changed(self) -> bool:
        """Whether there is anything new to read or number."""
        started = time.monotonic()
        answer = self._ask()
        self.cost_seconds = time.monotonic() - started
        has_changed = bool(answer != self._last)
        self._last = answer
        return has_changed

    @abstractmethod
    def _ask(self) -> Any: ...


class SqlitePoll(Poll):
    """Compares `PRAGMA data_version`, which other connections' commits change."""

    default_seconds = SQLITE_SECONDS

    def _ask(self) -> Any:
        return fetch("PRAGMA data_version")


class PostgresqlPoll(Poll):
    """Compares the stream's row, and whether a committed event waits for its number."""

    default_seconds = POSTGRESQL_SECONDS

    def _ask(self) -> Any:
        found = standing()
        self.unnumbered = found.unnumbered if found is not None else 0
        # A waiting event is news however often it is seen: another relay may have died over it.
        return time.monotonic() if self.unnumbered else found


class PostgresqlWithLayerPoll(PostgresqlPoll):
    """The same, as a net under the channel layer."""

    default_seconds = POSTGRESQL_WITH_LAYER_SECONDS


def choose_poll(*, has_layer: bool) -> Poll:
    """The poll for this database."""
    if connection().vendor == "sqlite":
        return SqlitePoll()
    return PostgresqlWithLayerPoll() if has_layer else PostgresqlPoll()
