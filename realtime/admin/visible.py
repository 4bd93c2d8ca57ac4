"""Which events a person sees in the admin: those that the stream would show it."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from realtime.admin.json_text import has_value
from realtime.auth.grants import grants_of


def visible_events(rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
    """The events of the feeds that the user may see, within the user's scope of each.

    A superuser sees all, also those of feeds that are no longer there.
    """
    user: Any = request.user
    if user.is_superuser:
        return rows
    wanted = Q(pk__in=[])
    for feed, scope in grants_of(user).scopes.items():
        of_feed = Q(feed=feed)
        for field, values in scope:
            of_feed &= has_value(field, values)
        wanted |= of_feed
    return rows.filter(wanted)
