"""REST of the stream: its views' base, and the events themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from rest_framework import exceptions, status
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from realtime import log
from realtime.auth.grants import grants_of
from realtime.log import HistoryExpired
from realtime.parameters import LONGEST_SEQ_DIGITS, Problem, may_subscribe
from realtime.parsing import AlwaysJSON, CarefulJSONParser
from realtime.recent import EncodedEvent, frames_for
from realtime.rest import LARGEST_PAGE, TokenAuthentication, exception_handler
from realtime.subscriptions import make_subscription
from realtime.throttling import AnonymousThrottle, UserThrottle


class HistoryGone(exceptions.APIException):
    """The events asked for are no longer in the log."""

    status_code = status.HTTP_410_GONE
    default_code = "history_expired"
    default_detail = "The log no longer holds every event after `since`. Start from a snapshot."


class StreamView(APIView):
    """What the protocol says of REST, whatever the site's own `REST_FRAMEWORK` says."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (
        TokenAuthentication,
        SessionAuthentication,
    )
    permission_classes: Sequence[Any] = (IsAuthenticated,)
    renderer_classes = (JSONRenderer,)
    parser_classes = (CarefulJSONParser,)
    content_negotiation_class = AlwaysJSON
    throttle_classes: Sequence[Any] = (UserThrottle, AnonymousThrottle)

    def get_exception_handler(self) -> Callable[..., Response | None]:
        """Errors as `{"code": …, "message": …, "fields": {…}}`."""
        return exception_handler


class EventsView(StreamView):
    """`GET /api/events/?since=SEQ&feeds=…`: the log itself, in order."""

    def get(self, request: Request) -> Response:
        """`{stream, head, results, next}`: the messages after `since` that the user may see.

        `next` is the `since` of the following page; null at the head.
        """
        since = _since(request.query_params.get("since", "0"))
        grants = grants_of(request.user)  # type: ignore[arg-type]
        asked = request.query_params.get("feeds")
        names = list(grants.scopes) if asked is None else [n for n in asked.split(",") if n]
        problems: list[Problem] = []
        chosen = [name for name in names if may_subscribe(name, grants, problems)]
        if problems:
            raise _refusal(problems[0])
        subscription = make_subscription([grants.subscription(name) for name in chosen])
        position = log.position()
        if since < position.floor - 1:
            raise HistoryGone
        try:
            events = log.read(since, LARGEST_PAGE)
        except HistoryExpired:
            raise HistoryGone from None
        frames = frames_for(subscription, (EncodedEvent(event) for event in events))
        last = events[-1].seq if events else since
        return Response(
            {
                "stream": position.identity,
                # Some events may have come since the position was read.
                "head": max(position.head, last if events else 0),
                "results": [orjson.loads(frame.text) for frame in frames],
                "next": last if last < position.head else None,
            }
        )


def _since(value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > LONGEST_SEQ_DIGITS:
        raise exceptions.ValidationError({"since": ["A whole number, 0 or more."]})
    return int(value)


def _refusal(problem: Problem) -> exceptions.APIException:
    if problem.code == "permission_denied":
        return exceptions.PermissionDenied(problem.text)
    return exceptions.ValidationError({"feeds": [problem.text]})
