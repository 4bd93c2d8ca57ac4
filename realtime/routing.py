"""Where the WebSocket is: `/ws` and `/ws/`; a stranger's path is refused like a missing page."""

from __future__ import annotations

from channels.routing import URLRouter
from django.urls import re_path

from realtime.consumers import RealtimeConsumer

websocket_urlpatterns = [re_path(r"^ws/?$", RealtimeConsumer())]

websocket_application = URLRouter(websocket_urlpatterns)
