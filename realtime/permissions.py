"""REST permissions: whoever may see a feed may read its objects."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from realtime.feeds import Feed


class FeedPermission(BasePermission):
    """Lets a user read when it may see the feed that the view names as `feed`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the signed-in user has the feed's permission."""
        user = request.user
        feed: type[Feed] = view.feed
        if not user or not user.is_authenticated:
            return False
        return feed.permission is None or user.has_perm(feed.permission)
