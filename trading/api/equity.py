"""REST of equity: the curve, a new reading, export."""

from __future__ import annotations

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from realtime.publishing import collect_published
from trading import selectors, services
from trading.api.bodies import EquityBody
from trading.api.views import ExportView, FeedView
from trading.feeds import EquityFeed
from trading.queries import EquityQuery
from trading.serializers import EquitySerializer


class Equity(FeedView):
    """`/api/equity/`: an account's readings, oldest first; a new one."""

    feed = EquityFeed
    write_permissions = {"POST": "trading.add_equitysnapshot"}

    def get(self, request: Request) -> Response:
        """A page of readings, or with `points` the whole period thinned."""
        query = EquityQuery.read(request.query_params)
        self.require_account(request, query["account"])
        rows = selectors.list_equity(
            account=query["account"],
            since=query.get("since"),
            until=query.get("until"),
            newest_first=query.get("ordering") == "-recorded_at",
        )
        if "points" not in query:
            return Response(self.page(request, rows, EquitySerializer))
        results = EquitySerializer(
            selectors.thin_equity(rows, points=query["points"]), many=True
        ).data
        return Response({"count": len(results), "next": None, "previous": None, "results": results})

    def post(self, request: Request) -> Response:
        """Add a reading; the risk engine decides on it in the same transaction."""
        body = EquityBody.read(request.data)
        self.require_account(request, body["account"])
        with collect_published() as published:
            row = services.record_equity(**body)
        return Response(self.written(row, published), status=status.HTTP_201_CREATED)


class EquityExport(ExportView):
    """`GET /api/equity/export/`: readings of equity by the day of their market time."""

    feed = EquityFeed
    export = "equity"
