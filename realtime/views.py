"""What the layer serves over plain HTTP: its information, its health, and a page of the stream."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from realtime import __version__, hub
from realtime.asyncapi import asyncapi_document
from realtime.conf import conf
from realtime.health import check_health
from realtime.timestamps import isoformat, now
from realtime.yaml_text import to_yaml

WEBSOCKET_PATH = "/ws"


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    """The service's information as JSON; the page when `Accept` names `text/html`."""
    if not _wants_page(request):
        return JsonResponse(
            {
                "service": conf().service_name,
                "version": __version__,
                "websocket_endpoint": WEBSOCKET_PATH,
                "active_connections": connection_count(),
            },
            headers={"Vary": "Accept"},
        )
    if not request.user.is_authenticated:
        return redirect_to_login("/", login_url=settings.LOGIN_URL)
    page = render(request, "realtime/stream.html", {"service_name": conf().service_name})
    page.headers["Vary"] = "Accept, Cookie"
    return page


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """200 and `healthy`; 503 and what is wrong otherwise."""
    parts, is_healthy = check_health()
    body: dict[str, Any] = {
        "status": "healthy" if is_healthy else "unhealthy",
        "active_connections": connection_count(),
        "timestamp": isoformat(now()),
        "version": __version__,
        "parts": parts,
    }
    return JsonResponse(body, status=200 if is_healthy else 503)


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """The process runs and answers."""
    return JsonResponse({"status": "alive", "timestamp": isoformat(now())})


@require_safe
def asyncapi(request: HttpRequest) -> HttpResponse:
    """The AsyncAPI document of this server's WebSocket, for programs that write clients."""
    document = asyncapi_document(host=request.get_host(), is_secure=request.is_secure())
    return HttpResponse(to_yaml(document), content_type="application/yaml")


def connection_count() -> int:
    """How many connections this process serves."""
    serving = hub.current()
    return serving.connection_count if serving is not None else 0


def _wants_page(request: HttpRequest) -> bool:
    return "text/html" in request.headers.get("Accept", "")
