"""The event log's two tables and the tokens that open the stream."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken, AuthTokenManager

from realtime.log.database import STREAM_ID


class Stream(models.Model):
    """The one row that orders everything: its number `head` is the newest event's."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=STREAM_ID)
    identity = models.CharField(max_length=32)
    head = models.BigIntegerField(default=0)
    floor = models.BigIntegerField(default=1)

    class Meta:
        default_permissions = ()
        constraints = (
            models.CheckConstraint(
                condition=models.Q(id=STREAM_ID), name="realtime_stream_is_one_row"
            ),
        )

    def __str__(self) -> str:
        return f"{self.identity} [{self.floor}, {self.head}]"


class Event(models.Model):
    """One change of one object, with the whole state that the object had after it.

    Only `realtime.log` touches this table. `seq` is null until the relay has numbered the event
    (PostgreSQL); on SQLite it is set at once. `was` and `data` are JSON texts.
    """

    id = models.BigAutoField(primary_key=True)
    seq = models.BigIntegerField(null=True, unique=True, editable=False)
    feed = models.CharField(max_length=64)
    key = models.CharField(max_length=200, blank=True)
    action = models.CharField(max_length=10)
    live = models.BooleanField()
    was = models.TextField(null=True)  # noqa: DJ001 - null: the key had no live event before
    data = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)
        permissions = (
            ("view_system_log", "Can view the system log feed"),
            ("publish_event", "Can publish test events, and events again"),
        )
        indexes = (
            models.Index(fields=["feed", "key", "id"], name="realtime_event_by_key"),
            models.Index(
                fields=["id"], condition=models.Q(seq=None), name="realtime_event_unnumbered"
            ),
        )

    def __str__(self) -> str:
        number = "unnumbered" if self.seq is None else self.seq
        return f"{number} {self.feed} {self.key} {self.action}"


class ConnectionsQuestion(models.Model):
    """Somebody asks who is connected; the newest is the one to answer."""

    id = models.BigAutoField(primary_key=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.pk)


class ServerProcess(models.Model):
    """A server process, and its last answer to who is connected."""

    id = models.CharField(primary_key=True, max_length=32)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    answered_at = models.DateTimeField()
    # The question that the list answers.
    question = models.BigIntegerField()
    connections = models.JSONField(default=list)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Disconnection(models.Model):
    """A connection that whichever process has it shall end."""

    id = models.BigAutoField(primary_key=True)
    connection_id = models.CharField(max_length=32)
    reason = models.CharField(max_length=200, blank=True)
    is_done = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.connection_id


class SystemLogLine(Event):
    """An event of the feed `system_log`, as the admin lists these."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = "system log line"

    def __str__(self) -> str:
        return f"System log line {self.pk}"


class ApiTokenManager(AuthTokenManager):  # type: ignore[misc] # knox ships no types
    """Creates tokens; the key itself is returned once and stored only as a digest."""

    def create(self, user: Any, *args: Any, **kwargs: Any) -> Any:
        """Make a token for `user`; returns `(token, key)`."""
        return super().create(user, *args, **kwargs)


class ApiToken(AbstractAuthToken):  # type: ignore[misc] # knox ships no types
    """A user's key to the stream and REST, with a name and the time of its last use."""

    name = models.CharField(_("name"), max_length=100, blank=True)
    last_used = models.DateTimeField(_("last used"), null=True, blank=True)

    objects = ApiTokenManager()

    class Meta:
        swappable = "KNOX_TOKEN_MODEL"
        verbose_name = _("API token")

    def __str__(self) -> str:
        return f"{self.token_key}… ({self.user})"
