"""REST: how many requests one user, or one address without credentials, may make.

Apart from the views, because Django REST framework imports this while it is being imported.
"""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle

from realtime.conf import conf


class UserThrottle(UserRateThrottle):
    """`REALTIME_REST_PER_SECOND` of a user; a 429 says in `Retry-After` when to come back."""

    def get_rate(self) -> str | None:
        """The setting as DRF writes it; None for no limit."""
        limit = conf().rest_per_second
        return f"{limit}/second" if limit else None

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        """The user; those without credentials have a limit of their own."""
        user = request.user
        return super().get_cache_key(request, view) if user and user.is_authenticated else None


class AnonymousThrottle(AnonRateThrottle):
    """`REALTIME_REST_ANONYMOUS_PER_MINUTE` of an address whose requests name no user."""

    def get_ident(self, request: Request) -> str:
        """The address of the connection: a header could name another one each time."""
        return str(request.META.get("REMOTE_ADDR", ""))

    def get_rate(self) -> str | None:
        """The setting as DRF writes it; None for no limit."""
        limit = conf().rest_anonymous_per_minute
        return f"{limit}/minute" if limit else None
