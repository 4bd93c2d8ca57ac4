"""REST of risk: the status and its changes, a person's decisions, export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from realtime.publishing import collect_published
from trading import selectors, services
from trading.api.bodies import RiskBody
from trading.api.views import ExportView, FeedView
from trading.feeds import RiskStatusFeed
from trading.models import RiskStatus
from trading.queries import RiskQuery
from trading.serializers import RiskChangeSerializer, RiskStatusSerializer


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


class RiskDecision(FeedView):
    """A person's decision about an account's risk status, with its reason."""

    feed = RiskStatusFeed
    write_permissions = {"POST": "trading.change_riskstatus"}
    decide: ClassVar[Callable[..., RiskStatus]]

    def post(self, request: Request) -> Response:
        """The status from now on; `event` is null where it was so already."""
        body = RiskBody.read(request.data)
        self.require_account(request, body["account"])
        with collect_published() as published:
            row = type(self).decide(actor=request.user, **body)
        return Response(self.written(row, published))


class SoftPause(RiskDecision):
    """`POST /api/risk/soft-pause/`: no new positions until the next trading day."""

    decide = staticmethod(services.soft_pause)


class HardStop(RiskDecision):
    """`POST /api/risk/hard-stop/`: nothing new, and open positions are marked `closing`."""

    decide = staticmethod(services.hard_stop)


class Resume(RiskDecision):
    """`POST /api/risk/resume/`: trade again, measuring losses from the present equity on."""

    decide = staticmethod(services.resume_trading)


class RiskExport(ExportView):
    """`GET /api/risk/export/`: decisions about risk by the day of their market time."""

    feed = RiskStatusFeed
    export = "risk"
