"""CSV of positions, equity and risk decisions, for the admin and REST: a few rows in memory."""

from __future__ import annotations

import csv
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from io import StringIO
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.db.models import Model, Q, QuerySet
from django.http import StreamingHttpResponse
from rest_framework.serializers import BaseSerializer

from realtime.ready_serializer import made_ready
from trading import selectors
from trading.models import EquitySnapshot, Position, RiskChange
from trading.selectors import Accounts
from trading.serializers import EquitySerializer, PositionSerializer, RiskDecisionSerializer

CHUNK_ROWS = 500
# A spreadsheet takes a cell that begins so for a formula, and runs it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"-?\d+(\.\d+)?\Z", re.ASCII)


@dataclass(frozen=True)
class Export:
    """What one file holds: its rows in `order`, those of a period by the time `dated_by`."""

    model: type[Model]
    serializer_class: type[BaseSerializer[Any]]
    permission: str
    dated_by: str
    order: tuple[str, ...]
    # The rows that come after this one; an index finds them.
    after: Callable[[Any], Q]

    @property
    def columns(self) -> tuple[str, ...]:
        """The header row: the names that the wire has."""
        return tuple(self.serializer_class().fields)  # type: ignore[attr-defined]

    def rows(
        self, *, accounts: Accounts = None, since: date | None = None, until: date | None = None
    ) -> QuerySet[Any]:
        """The rows of these accounts and days, UTC, both days included."""
        rows: QuerySet[Any] = selectors.within(QuerySet(self.model), accounts)
        if since is not None:
            rows = rows.filter(**{f"{self.dated_by}__gte": datetime.combine(since, time.min, UTC)})
        if until is not None:
            rows = rows.filter(**{f"{self.dated_by}__lte": datetime.combine(until, time.max, UTC)})
        return rows.order_by(*self.order)

    def lines(self, rows: QuerySet[Any]) -> Iterator[str]:
        """`rows` as CSV, the header first, in pieces of at most 500 rows."""
        yield _csv([self.columns])
        write = made_ready(self.serializer_class(), self.model).to_representation
        for chunk in self._chunks(rows):
            yield _csv([[cell(value) for value in write(row).values()] for row in chunk])

    def _chunks(self, rows: QuerySet[Any]) -> Iterator[list[Any]]:
        # Each is a statement of its own: a slow reader holds no transaction open.
        chunk = list(rows[:CHUNK_ROWS])
        while chunk:
            yield chunk
            is_last = len(chunk) < CHUNK_ROWS
            chunk = [] if is_last else list(rows.filter(self.after(chunk[-1]))[:CHUNK_ROWS])


class CsvResponse(StreamingHttpResponse):
    """A file that is written while it is read, under WSGI and ASGI."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces; each is made in the request's own thread."""
        pieces = cast("Iterator[bytes]", self.streaming_content)
        while piece := await sync_to_async(_next)(pieces):
            yield piece


def csv_response(
    name: str,
    *,
    accounts: Accounts = None,
    since: date | None = None,
    until: date | None = None,
) -> CsvResponse:
    """The file `name` of EXPORTS, for a browser to keep; whoever asks was let in before."""
    export = EXPORTS[name]
    rows = export.rows(accounts=accounts, since=since, until=until)
    response = CsvResponse(export.lines(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def cell(value: object) -> str:
    """`value` as a cell holds it: nothing in it is run by a spreadsheet."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if text.startswith(FORMULA_STARTS) and not _NUMBER.match(text):
        return f"'{text}"
    return text


def _next(pieces: Iterator[bytes]) -> bytes:
    # StopIteration cannot leave a thread for a coroutine.
    return next(pieces, b"")


def _csv(rows: list[Any]) -> str:
    written = StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()


def _after_id(row: Model) -> Q:
    return Q(pk__gt=row.pk)


def _after_position(row: Position) -> Q:
    # The first condition is for the index, which finds no place by the second.
    return Q(opened_at__gte=row.opened_at) & (
        Q(opened_at__gt=row.opened_at) | Q(position_id__lt=row.pk)
    )


EXPORTS: Mapping[str, Export] = {
    "positions": Export(
        model=Position,
        serializer_class=PositionSerializer,
        permission="trading.view_position",
        dated_by="opened_at",
        order=("opened_at", "-position_id"),
        after=_after_position,
    ),
    "equity": Export(
        model=EquitySnapshot,
        serializer_class=EquitySerializer,
        permission="trading.view_equitysnapshot",
        dated_by="recorded_at",
        order=("id",),
        after=_after_id,
    ),
    "risk": Export(
        model=RiskChange,
        serializer_class=RiskDecisionSerializer,
        permission="trading.view_riskstatus",
        dated_by="recorded_at",
        order=("id",),
        after=_after_id,
    ),
}
