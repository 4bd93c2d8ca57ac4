"""`GET /metrics`: who may read it, and the text itself."""

from __future__ import annotations

import hmac
from ipaddress import IPv6Address, ip_address

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from realtime.conf import conf
from realtime.exposition import metrics_text

SCHEME = "Bearer "
# A proxy on this machine connects from loopback, for whoever asked it.
FORWARDING_HEADERS = ("Forwarded", "Via", "X-Real-IP")
FORWARDING_PREFIX = "x-forwarded-"


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus's text; for this machine's own programs, or for who has the token."""
    if conf().metrics_token:
        if not _has_token(request):
            text = "Present the token of REALTIME_METRICS_TOKEN: `Authorization: Bearer TOKEN`.\n"
            return _refusal(text, status=401, headers={"WWW-Authenticate": "Bearer"})
    elif not is_local(request):
        text = (
            "Metrics are for programs on this machine that come without a proxy. "
            "Set REALTIME_METRICS_TOKEN to read them from elsewhere.\n"
        )
        return _refusal(text, status=403)
    return HttpResponse(metrics_text(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def is_local(request: HttpRequest) -> bool:
    """Whether the request comes from this machine and, as far as it shows, from no proxy."""
    if any(name in request.headers for name in FORWARDING_HEADERS):
        return False
    if any(name.lower().startswith(FORWARDING_PREFIX) for name in request.headers):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        # A socket of Unix has no address: a proxy's, more often than not.
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    wanted = SCHEME + conf().metrics_token
    # In a time that says nothing about how much of it is right.
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def _refusal(text: str, *, status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(text, status=status, headers=headers, content_type="text/plain")
