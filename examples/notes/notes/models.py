"""Notes; saving one publishes it, in the same transaction."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from realtime.published import PublishedModel


class Note(PublishedModel):
    """One user's note."""

    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    done = models.BooleanField(default=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(PublishedModel.Meta):
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.title
