"""What this app publishes; `realtime` finds this file as the admin finds `admin.py`."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from realtime.feeds import ModelFeed, register

from .models import Note


class NoteSerializer(serializers.ModelSerializer):
    """A note as clients see it."""

    class Meta:
        model = Note
        fields = ("id", "title", "text", "done", "owner", "updated_at")


@register
class NoteFeed(ModelFeed):
    """Notes: each to its owner, live until it is done."""

    name = "note"
    model = Note
    serializer_class = NoteSerializer
    key_field = "id"
    filter_fields = ("owner", "title")

    def scope(self, user: Any) -> dict[str, list[str]]:
        """Everybody sees their own; the field has to be one of `filter_fields`."""
        return {"owner": [str(user.pk)]}

    def is_live(self, instance: Note) -> bool:
        """Whether it is still to be done."""
        return not instance.done
