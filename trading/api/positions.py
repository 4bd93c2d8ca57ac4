"""REST of positions: list, open, read, update, close, export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from realtime.publishing import collect_published
from trading import selectors, services
from trading.api.bodies import ClosePositionBody, OpenPositionBody, UpdatePositionBody
from trading.api.views import ExportView, FeedView
from trading.feeds import PositionFeed
from trading.models.idempotency import LONGEST_KEY
from trading.queries import PositionsQuery
from trading.serializers import PositionSerializer

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"


class PositionList(FeedView):
    """`/api/positions/`: positions, newest first; opening one."""

    feed = PositionFeed
    write_permissions = {"POST": "trading.add_position"}

    def get(self, request: Request) -> Response:
        """A page of the positions that match the filters."""
        query = PositionsQuery.read(request.query_params)
        filters = {name: query[name] for name in selectors.POSITION_FILTERS if name in query}
        rows = selectors.list_positions(
            filters, accounts=self.accounts(request), ordering=query.get("ordering")
        )
        return Response(self.page(request, rows, PositionSerializer))

    def post(self, request: Request) -> Response:
        """Open a position; with an `Idempotency-Key`, once however often it is sent."""
        body = OpenPositionBody.read(request.data)
        key = _idempotency_key(request)
        self.require_account(request, body["account"])

        def open_it() -> services.Answer:
            with collect_published() as published:
                position = services.open_position(**body)
            return services.Answer(status.HTTP_201_CREATED, self.written(position, published))

        if key is None:
            answer = open_it()
        else:
            answer = services.answer_once(
                user=cast("User", request.user), key=key, request=request.data, perform=open_it
            )
        headers = {REPLAYED_HEADER: "true"} if answer.is_replay else None
        return Response(answer.body, status=answer.status, headers=headers)


class PositionView(FeedView):
    """One position that the user may see."""

    feed = PositionFeed

    def require_position(self, request: Request, position_id: str) -> None:
        """Answer 404 for a position that is not there, or not for this user: all the same."""
        selectors.get_position(position_id, accounts=self.accounts(request))


class PositionDetail(PositionView):
    """`/api/positions/{position_id}/`: one position, closed ones too; updating it."""

    write_permissions = {"PATCH": "trading.change_position"}

    def get(self, request: Request, position_id: str) -> Response:
        """The position as the feed publishes it."""
        row = selectors.get_position(position_id, accounts=self.accounts(request))
        return Response(PositionSerializer(row).data)

    def patch(self, request: Request, position_id: str) -> Response:
        """Set what the body names; with `updated_at`, only what the caller has seen last."""
        body = UpdatePositionBody.read(request.data)
        self.require_position(request, position_id)
        seen = body.pop("updated_at", None)
        with collect_published() as published:
            row = services.update_position(position_id=position_id, seen_updated_at=seen, **body)
        return Response(self.written(row, published))


class ClosePosition(PositionView):
    """`POST /api/positions/{position_id}/close/`: both legs at these prices."""

    write_permissions = {"POST": "trading.change_position"}

    def post(self, request: Request, position_id: str) -> Response:
        """The closed position, with its realised PnL."""
        body = ClosePositionBody.read(request.data)
        self.require_position(request, position_id)
        with collect_published() as published:
            row = services.close_position(position_id=position_id, **body)
        return Response(self.written(row, published))


class PositionsExport(ExportView):
    """`GET /api/positions/export/`: positions by the day on which they were opened."""

    feed = PositionFeed
    export = "positions"


def _idempotency_key(request: Request) -> str | None:
    key: str | None = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        problem: dict[str, Any] = {
            KEY_HEADER: [f"A key is 1 to {LONGEST_KEY} printable ASCII characters."]
        }
        raise ValidationError(problem)
    return key
