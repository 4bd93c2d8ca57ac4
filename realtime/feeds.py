"""What an app publishes: named feeds, declared in its `feeds.py` as pages are in `admin.py`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import orjson
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db.models import Model, QuerySet

from realtime.log import Action, Entry
from realtime.ready_serializer import made_ready

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
    from rest_framework.serializers import BaseSerializer

FEED_NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}$")
LONGEST_KEY = 200
# Query parameters of `/ws` with a meaning of their own: no filter field may have such a name.
RESERVED_PARAMETERS = frozenset(
    {"token", "feeds", "stream", "since", "subscription", "snapshot", "max_rate"}
)
# Message types of the protocol itself: no feed may have such a name.
RESERVED_TYPES = frozenset(
    {
        "authenticated",
        "connection_established",
        "error",
        "heartbeat",
        "pong",
        "server_closing",
        "snapshot",
        "subscribed",
        "token_expiring",
    }
)

Scope = Mapping[str, Collection[str]]


class Feed:
    """A named kind of event that is published by call; subclass and `register` it.

    `key_field` names the field of the data that says which object an event is about; without one
    the feed is a sequence of messages, of which snapshots hold the last 50.
    """

    name: ClassVar[str]
    key_field: ClassVar[str | None] = None
    filter_fields: ClassVar[tuple[str, ...]] = ()
    permission: ClassVar[str | None] = None
    version: ClassVar[int] = 1
    # JSON Schema of the data, for documents, where no serializer says it.
    data_schema: ClassVar[Mapping[str, Any] | None] = None

    def scope(self, user: AbstractBaseUser | AnonymousUser) -> Scope | None:
        """Filter values that are ANDed into everything that `user` gets; None: no limit."""
        return None

    def scopes(self, users: Sequence[AbstractBaseUser]) -> Sequence[Scope | None]:
        """The scope of each of `users`; override it where one query can serve them all."""
        return [self.scope(user) for user in users]

    def key(self, data: Mapping[str, Any]) -> str:
        """The key of the object that `data` describes; empty for a feed without keys.

        Raises KeyError when `data` lacks it, ValueError when no column could hold it.
        """
        if self.key_field is None:
            return ""
        key = "" if data[self.key_field] is None else str(data[self.key_field])
        if not 0 < len(key) <= LONGEST_KEY or "\x00" in key:
            raise ValueError(
                f"{self.key_field!r}, the key of {self.name}, has to be a text of 1 to "
                f"{LONGEST_KEY} characters"
            )
        return key

    def entry(self, data: Mapping[str, Any], *, action: Action, live: bool) -> Entry:
        """The log entry for `data`; raises TypeError when it cannot be JSON."""
        return Entry(
            feed=self.name,
            key=self.key(data),
            action=action,
            live=live,
            data=orjson.dumps(data).decode(),
            filter_fields=self.filter_fields,
        )


class ModelFeed(Feed):
    """A feed whose events are the changes of one model's rows.

    The data of an event is what `serializer_class` makes of the row; REST should use the same.
    The serializer is built once and must need nothing but the row.
    """

    model: ClassVar[type[Model]]
    serializer_class: ClassVar[type[BaseSerializer[Any]]]

    def __init__(self) -> None:
        self._serializer = self.serializer_class()
        self._key_column = _column(self._serializer, self.key_field, self.model)
        _write_in_utc(self._serializer)
        self._serializer = made_ready(self._serializer, self.model)

    def is_live(self, instance: Any) -> bool:
        """Whether snapshots hold this object."""
        return True

    def current_rows(self) -> QuerySet[Any]:
        """The rows that hold the present state of a key each, for `resync`; by default all.

        Where several rows share a key, the newest of each.
        """
        return QuerySet(self.model)

    def lock_current(self, pks: Sequence[Any], *, using: str) -> Sequence[Any]:
        """Lock what the keys of these `current_rows` name, in order; return the rows as they are.

        Part of a transaction of `resync`. By default the rows themselves are locked. Where several
        rows share a key, or writers lock another row first, lock that one and look for the rows
        again: a newer one may have come since they were listed.
        """
        rows: QuerySet[Any] = QuerySet(self.model, using=using)
        return list(rows.filter(pk__in=pks).order_by("pk").select_for_update(of=("self",)))

    def rows_of(self, key: str) -> QuerySet[Any]:
        """Those of the `current_rows` that may have this key: all, where it is no column."""
        rows = self.current_rows()
        if self._key_column is None:
            return rows
        try:
            return rows.filter(**{self._key_column: key})
        except (ValueError, ValidationError):
            # No row has a key that its column could not hold.
            return rows.none()

    def data(self, instance: Model) -> Mapping[str, Any]:
        """The message data of `instance`."""
        data: Mapping[str, Any] = self._serializer.to_representation(instance)
        return data


FeedClass = TypeVar("FeedClass", bound=type[Feed])

_feeds: dict[str, Feed] = {}


def register(feed_class: FeedClass) -> FeedClass:
    """Make `feed_class` part of the stream; a class decorator.

    Raises ImproperlyConfigured for a name or field that the protocol cannot carry.
    """
    _check(feed_class)
    feed = feed_class()
    _feeds[feed.name] = feed
    if isinstance(feed, ModelFeed):
        from realtime.changes import feeds_of
        from realtime.receivers import connect

        feeds_of.cache_clear()
        connect(feed)
    return feed_class


def feeds() -> Mapping[str, Feed]:
    """Every registered feed by name, in the order of registration."""
    return _feeds


def model_feeds() -> Iterator[ModelFeed]:
    """The feeds that follow a model."""
    return (feed for feed in _feeds.values() if isinstance(feed, ModelFeed))


def publish(feed_name: str, data: Mapping[str, Any], *, action: str = "created") -> int:
    """Publish one event of a feed by call and return its id; part of the caller's transaction.

    For feeds without a model, and for tests. Raises LookupError for an unknown feed, KeyError when
    `data` lacks the feed's key, ValueError for one that cannot be, or for an unknown action.
    """
    from realtime.publishing import publish_entries

    try:
        feed = _feeds[feed_name]
    except KeyError:
        known = ", ".join(_feeds)
        raise LookupError(f"there is no feed {feed_name!r}; there are: {known}") from None
    chosen = Action(action)
    # A message without a key is no object that could end.
    live = feed.key_field is None or chosen in {Action.CREATED, Action.UPDATED}
    return publish_entries([feed.entry(data, action=chosen, live=live)])[0]


def _column(serializer: Any, name: str | None, model: type[Model]) -> str | None:
    """The column that the serializer's field `name` is; None when it is made of something else."""
    field = getattr(serializer, "fields", {}).get(name)
    source = getattr(field, "source", None)
    columns = {column.attname for column in model._meta.concrete_fields}
    return source if source in columns else None


def _write_in_utc(field: Any) -> None:
    """Let times be in UTC, not in the zone of whoever writes: the same row is the same data."""
    from rest_framework.serializers import DateTimeField

    if isinstance(field, DateTimeField) and not hasattr(field, "timezone"):
        field.timezone = UTC
    child = getattr(field, "child", None)
    if child is not None:
        _write_in_utc(child)
    for inner in getattr(field, "fields", {}).values():
        _write_in_utc(inner)


def _check(feed_class: type[Feed]) -> None:
    name = getattr(feed_class, "name", "")
    where = f"{feed_class.__module__}.{feed_class.__qualname__}"
    if not FEED_NAME.match(name) or name in RESERVED_TYPES:
        raise ImproperlyConfigured(
            f"{where}.name is {name!r}: a feed's name is lower case, at most 64 letters, digits "
            f"and underscores, and none of the protocol's own ({', '.join(sorted(RESERVED_TYPES))})"
        )
    if name in _feeds and type(_feeds[name]).__qualname__ != feed_class.__qualname__:
        raise ImproperlyConfigured(f"{where}: another feed is already named {name!r}")
    for field in feed_class.filter_fields:
        if not field.isidentifier() or not field.isascii() or field in RESERVED_PARAMETERS:
            raise ImproperlyConfigured(f"{where}: {field!r} cannot be a filter field")
