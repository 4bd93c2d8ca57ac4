"""REST: who is connected, in every process, and the end of a connection; for staff."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rest_framework import exceptions
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from realtime import hub, relay
from realtime.api import StreamView
from realtime.conf import conf
from realtime.layer import layer_is_shared
from realtime.presence import process_rows
from realtime.presence.reporter import LOOK_EVERY_SECONDS
from realtime.timestamps import isoformat

logger = logging.getLogger(__name__)

# One that is told looks and answers within this.
TOLD_SECONDS = 0.5
# One that is busy or gone is not waited for any longer.
ANSWER_SECONDS = 2.0
LOOK_SECONDS = 0.02
LONGEST_REASON = 200
CONNECTION_ID = re.compile(r"[\w-]{1,32}", re.ASCII)
UNKNOWN = exceptions.NotFound("No process has this connection.")


class ConnectionsView(StreamView):
    """`GET /api/connections/`."""

    permission_classes: Sequence[Any] = (IsAdminUser,)

    def get(self, request: Request) -> Response:
        """`{processes, results}`: every process, and the connections of those that answered."""
        number = process_rows.ask()
        _tell_all()
        # Those that nobody knows of yet answer by then.
        _wait_for(lambda: False, seconds=_look_seconds())
        _wait_for(lambda: process_rows.all_have_answered(number), seconds=ANSWER_SECONDS)
        answers = process_rows.take_answers(number)
        return Response(
            {
                "processes": [
                    {
                        "process": row.id,
                        "host": row.host,
                        "pid": row.pid,
                        "answered_at": isoformat(row.answered_at),
                        "active_connections": len(row.connections),
                        "has_answered": has_answered,
                    }
                    for row, has_answered in answers
                ],
                "results": [
                    {**connection, "process": row.id}
                    for row, has_answered in answers
                    if has_answered
                    for connection in row.connections
                ],
            }
        )


class DisconnectView(StreamView):
    """`POST /api/connections/{connection_id}/disconnect/`."""

    permission_classes: Sequence[Any] = (IsAdminUser,)

    def post(self, request: Request, connection_id: str) -> Response:
        """End the connection, wherever it is; the client may come back."""
        reason = _reason(request.data)
        if not CONNECTION_ID.fullmatch(connection_id):
            raise UNKNOWN
        number = process_rows.ask_to_disconnect(connection_id, reason)
        try:
            _tell_all()
            is_done = partial(process_rows.is_disconnected, number)
            _wait_for(is_done, seconds=_look_seconds() + ANSWER_SECONDS)
        finally:
            was_done = process_rows.withdraw(number)
        if not was_done:
            raise UNKNOWN
        logger.warning(
            "%s ended the connection %s: %s", request.user, connection_id, reason or "no reason"
        )
        return Response({"connection_id": connection_id})


def _reason(data: Any) -> str:
    if not isinstance(data, dict) or set(data) - {"reason"}:
        raise exceptions.ValidationError("The body is an object with `reason`, or empty.")
    reason = data.get("reason", "")
    if not isinstance(reason, str) or len(reason) > LONGEST_REASON or "\0" in reason:
        raise exceptions.ValidationError(
            {"reason": [f"Text of at most {LONGEST_REASON} characters."]}
        )
    return reason.strip()


def _tell_all() -> None:
    """Let every process that can be reached look at once."""
    serving = hub.current()
    if serving is not None:
        serving.look_at_presence()
    relay.tell_others({"type": hub.PRESENCE_MESSAGE})


def _look_seconds() -> float:
    """In what time every process that is well has looked."""
    return TOLD_SECONDS if layer_is_shared() else LOOK_EVERY_SECONDS + TOLD_SECONDS


def _wait_for(is_done: Callable[[], bool], *, seconds: float) -> None:
    if not conf().relay:
        # In tests: no process looks.
        return
    deadline = time.monotonic() + seconds
    while not is_done() and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
