"""REST of fills: a position that fills make, what an exchange executed, closing a part."""

from __future__ import annotations

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from realtime.publishing import collect_published
from trading import selectors, services
from trading.api.bodies import FillBody, ReducePositionBody, StartPositionBody
from trading.api.positions import PositionView
from trading.api.views import FeedView
from trading.feeds import PositionFeed
from trading.queries import FillsQuery
from trading.serializers import FillSerializer


class StartPosition(FeedView):
    """`POST /api/positions/start/`: a position that holds nothing until its fills come."""

    feed = PositionFeed
    write_permissions = {"POST": "trading.add_position"}

    def post(self, request: Request) -> Response:
        """The position."""
        body = StartPositionBody.read(request.data)
        self.require_account(request, body["account"])
        with collect_published() as published:
            row = services.start_position(**body)
        return Response(self.written(row, published), status=status.HTTP_201_CREATED)


class Fills(PositionView):
    """`/api/positions/{position_id}/fills/`: what was executed, in order; recording more."""

    write_permissions = {"POST": "trading.change_position"}

    def get(self, request: Request, position_id: str) -> Response:
        """A page of the position's fills."""
        FillsQuery.read(request.query_params)
        position = selectors.get_position(position_id, accounts=self.accounts(request))
        return Response(self.page(request, selectors.list_fills(position), FillSerializer))

    def post(self, request: Request, position_id: str) -> Response:
        """The fill, with the position as it is now; a fill that is known has no event."""
        body = FillBody.read(request.data)
        self.require_position(request, position_id)
        with collect_published() as published:
            fill = services.record_fill(position_id=position_id, **body)
        position = self.written(fill.position, published)
        event = position.pop("event")
        answer = {**FillSerializer(fill).data, "position": position, "event": event}
        return Response(answer, status=status.HTTP_201_CREATED)


class ReducePosition(PositionView):
    """`POST /api/positions/{position_id}/reduce/`: close a part of it."""

    write_permissions = {"POST": "trading.change_position"}

    def post(self, request: Request, position_id: str) -> Response:
        """The position, closed when nothing is left of it."""
        body = ReducePositionBody.read(request.data)
        self.require_position(request, position_id)
        with collect_published() as published:
            row = services.reduce_position(position_id=position_id, **body)
        return Response(self.written(row, published))
