"""Where the WebSocket is: `/ws` and `/ws/`; a stranger's path is refused like a missing page."""

from __future__ import annotations

from typing import Any

from channels.routing import URLRouter
from django.urls import re_path

from realtime.consumers import RealtimeConsumer
from realtime.deployment_checks import refuse_to_serve

# Every server imports this, whichever it is.
refuse_to_serve()

# Django's stubs know views only; Channels routes ASGI applications.
_consumer: Any = RealtimeConsumer()
websocket_urlpatterns: list[Any] = [re_path(r"^ws/?$", _consumer)]


async def _refuse(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Refuse the handshake with a 403; the router alone would raise, a 500 and a traceback."""
    await receive()
    await send({"type": "websocket.close"})


_anywhere_else: Any = _refuse
websocket_application = URLRouter([*websocket_urlpatterns, re_path("", _anywhere_else)])
