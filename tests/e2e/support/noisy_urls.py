"""Pages that log: in a transaction that fails, some lines, or a storm of them."""

from __future__ import annotations

import logging
import time

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from project.urls import urlpatterns as project_urls
from tests.e2e.support.actions import open_position

logger = logging.getLogger("desk.orders")
STEP_SECONDS = 0.01


class OrderFailed(Exception):
    """What rolls the transaction back."""


def fail(request: HttpRequest) -> HttpResponse:
    """Write a position, log an error, and fail, all in one transaction."""
    with transaction.atomic():
        key = open_position()
        logger.error(
            "The order for %s failed", key, extra={"symbol": "BTC/USDT", "api_key": "feedface"}
        )
        raise OrderFailed(key)


def log_lines(request: HttpRequest) -> JsonResponse:
    """Log so many lines of a level; says how long that took."""
    level = logging.getLevelNamesMapping()[request.GET.get("level", "ERROR")]
    started = time.monotonic()
    for number in range(int(request.GET.get("count", 1))):
        logger.log(level, "%s %d", request.GET["text"], number)
    return JsonResponse({"seconds": time.monotonic() - started})


def storm(request: HttpRequest) -> JsonResponse:
    """Log so many lines a second, for so many seconds; says how many they were."""
    each = int(float(request.GET["rate"]) * STEP_SECONDS)
    started = time.monotonic()
    logged = 0
    while time.monotonic() < started + float(request.GET["seconds"]):
        for _ in range(each):
            logger.info("storm %d", logged)
            logged += 1
        # At its pace, not as fast as it can.
        time.sleep(max(0.0, started + logged / each * STEP_SECONDS - time.monotonic()))
    return JsonResponse({"logged": logged, "seconds": time.monotonic() - started})


urlpatterns = [
    path("noise/fail/", fail),
    path("noise/lines/", log_lines),
    path("noise/storm/", storm),
    *project_urls,
]
