"""What every view of trading shares: whose rows it shows, pages, refusals, what a write answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from realtime.feeds import ModelFeed, feeds
from realtime.permissions import FeedPermission
from realtime.publishing import PublishedEvent
from realtime.rest import Pagination
from trading import exports, selectors
from trading.api.refusals import Refusal
from trading.errors import TradingError
from trading.queries import ExportQuery


class FeedView(APIView):
    """A view of what a feed publishes, for those who may see the feed.

    A method that writes names its permission in `write_permissions`.
    """

    feed: ClassVar[type[ModelFeed]]
    write_permissions: ClassVar[Mapping[str, str]] = {}
    permission_classes = (FeedPermission,)

    def accounts(self, request: Request) -> selectors.Accounts:
        """The accounts that the request's user may see, as in the stream."""
        return selectors.viewable_accounts(request.user)

    def require_account(self, request: Request, account: str) -> None:
        """Answer 404 for an account that is not there, or not for this user: all the same."""
        selectors.get_account(account, accounts=self.accounts(request))

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

    def written(self, row: Model, published: Sequence[PublishedEvent]) -> dict[str, Any]:
        """`row` word for word as the feed has published it, with `event`, the message's id.

        Where nothing changed nothing was published: `event` is null.
        """
        feed = feeds()[self.feed.name]
        assert isinstance(feed, ModelFeed)
        data = feed.data(row)
        key = feed.key(data)
        for each in reversed(published):
            if (each.entry.feed, each.entry.key) == (feed.name, key):
                return {**each.data, "event": each.event}
        return {**data, "event": None}

    def handle_exception(self, exc: Exception) -> Response:
        """What services refuse, as REST says it."""
        return super().handle_exception(Refusal(exc) if isinstance(exc, TradingError) else exc)


class ExportView(FeedView):
    """`GET /api/…/export/`: the rows of a period as CSV."""

    export: ClassVar[str]

    def get(self, request: Request) -> exports.CsvResponse:
        """The file, of the accounts that are asked for and that this user may see."""
        query = ExportQuery.read(request.query_params)
        accounts = self.accounts(request)
        if "account" in query:
            asked = frozenset(query["account"])
            accounts = asked if accounts is None else asked.intersection(accounts)
        return exports.csv_response(
            self.export, accounts=accounts, since=query.get("since"), until=query.get("until")
        )
