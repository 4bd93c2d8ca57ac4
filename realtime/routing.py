"""Where the WebSocket is: `/ws` and `/ws/`; a stranger's path is refused like a missing page."""

from __future__ import annotations

from typing import Any

from channels.routing import URLRouter
from django.urls import re_path

from realtime.consumers import RealtimeConsumer

# Django's stubs know views only; Channels routes ASGI applications.
_consumer: Any = RealtimeConsumer()
websocket_urlpatterns: list[Any] = [re_path(r"^ws/?$", _consumer)]

websocket_application = URLRouter(websocket_urlpatterns)
