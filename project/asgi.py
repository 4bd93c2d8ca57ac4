"""The server's entry point: HTTP to Django, WebSockets to the real-time layer."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
http_application = get_asgi_application()

# Only now: the consumers import models, which need the apps that the line above loads.
from realtime.routing import websocket_application  # noqa: E402
from trading import watch  # noqa: E402

# Each server process watches for stale inputs, pauses that are over, and alerts to send.
watch.start()

application = ProtocolTypeRouter({"http": http_application, "websocket": websocket_application})
