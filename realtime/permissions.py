"""REST permissions: whoever may see a feed may read its objects; each write has its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from realtime.feeds import Feed


class FeedPermission(BasePermission):
    """Lets a user read when it may see the feed that the view names as `feed`.

    What a method that writes asks for instead is in the view's `write_permissions`, such as
    `{"POST": "trading.add_position"}`.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the signed-in user has the permission that the method asks for."""
        user = request.user
        feed: type[Feed] = view.feed
        writing: Mapping[str, str] = getattr(view, "write_permissions", {})
        if not user or not user.is_authenticated:
            return False
        permission = writing.get(str(request.method), feed.permission)
        return permission is None or user.has_perm(permission)
