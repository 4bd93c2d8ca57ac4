"""The reading side of REST: views that translate; the work is in selectors and serializers."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from realtime.feeds import ModelFeed
from realtime.permissions import FeedPermission
from realtime.rest import Pagination
from trading import errors, selectors
from trading.feeds import EquityFeed, PositionFeed, RiskStatusFeed
from trading.queries import EquityQuery, PositionsQuery, RiskQuery
from trading.serializers import (
    EquitySerializer,
    PositionSerializer,
    RiskChangeSerializer,
    RiskStatusSerializer,
)


class FeedView(APIView):
    """A view of what a feed publishes, for those who may see the feed."""

    feed: type[ModelFeed]
    permission_classes = (FeedPermission,)

    def accounts(self, request: Request) -> selectors.Accounts:
        """The accounts that the request's user may see, as in the stream."""
        return selectors.viewable_accounts(request.user)

    def require_account(self, request: Request, account: str) -> None:
        """Answer 404 for an account that is not there, or not for this user: all the same."""
        try:
            selectors.get_account(account, accounts=self.accounts(request))
        except errors.NotFound as error:
            raise NotFound(error.message, code=error.code) from None

    def page(
        self,
        request: Request,
        rows: QuerySet[Any],
        serializer_class: type[BaseSerializer[Any]],
    ) -> dict[str, Any]:
        """One page of `rows`: count, next, previous, results."""
        pages = Pagination()
        chosen = pages.paginate_queryset(rows, request, view=self)
        return {
            "count": pages.page.paginator.count,  # type: ignore[union-attr]
            "next": pages.get_next_link(),
            "previous": pages.get_previous_link(),
            "results": serializer_class(chosen, many=True).data,
        }


class PositionList(FeedView):
    """`GET /api/positions/`: positions, newest first."""

    feed = PositionFeed

    def get(self, request: Request) -> Response:
        """A page of the positions that match the filters."""
        query = PositionsQuery.read(request.query_params)
        filters = {name: query[name] for name in selectors.POSITION_FILTERS if name in query}
        rows = selectors.list_positions(filters, accounts=self.accounts(request))
        return Response(self.page(request, rows, PositionSerializer))


class PositionDetail(FeedView):
    """`GET /api/positions/{position_id}/`: one position, closed ones too."""

    feed = PositionFeed

    def get(self, request: Request, position_id: str) -> Response:
        """The position as the feed publishes it."""
        try:
            row = selectors.get_position(position_id, accounts=self.accounts(request))
        except errors.NotFound as error:
            raise NotFound(error.message, code=error.code) from None
        return Response(PositionSerializer(row).data)


class EquityCurve(FeedView):
    """`GET /api/equity/`: an account's readings, oldest first."""

    feed = EquityFeed

    def get(self, request: Request) -> Response:
        """A page of readings, or with `points` the whole period thinned."""
        query = EquityQuery.read(request.query_params)
        self.require_account(request, query["account"])
        rows = selectors.list_equity(
            account=query["account"], since=query.get("since"), until=query.get("until")
        )
        if "points" not in query:
            return Response(self.page(request, rows, EquitySerializer))
        results = EquitySerializer(
            selectors.thin_equity(rows, points=query["points"]), many=True
        ).data
        return Response({"count": len(results), "next": None, "previous": None, "results": results})


class Risk(FeedView):
    """`GET /api/risk/`: an account's status with figures and limits, and its changes."""

    feed = RiskStatusFeed

    def get(self, request: Request) -> Response:
        """The status as the feed publishes it, with a page of changes, newest first."""
        query = RiskQuery.read(request.query_params)
        account = query["account"]
        self.require_account(request, account)
        status: dict[str, Any] = dict(
            RiskStatusSerializer(selectors.risk_status(account=account)).data
        )
        changes = selectors.list_risk_changes(account=account)
        status["changes"] = self.page(request, changes, RiskChangeSerializer)
        return Response(status)
