"""What a connection asked for and may see; equal subscriptions share one audience."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Self

import orjson

from realtime.feeds import feeds

FieldValues = tuple[tuple[str, frozenset[str]], ...]


class Relation(Enum):
    """How an event concerns a subscription."""

    MATCHES = "matches"
    LEFT = "left"
    NONE = "none"


def field_values(values: Mapping[str, Collection[str]]) -> FieldValues:
    """A hashable form of filter values by field."""
    return tuple(sorted((field, frozenset(wanted)) for field, wanted in values.items()))


@dataclass(frozen=True, slots=True)
class FeedSubscription:
    """One feed of a subscription: what the client filters by, and what its user's scope allows."""

    name: str
    filters: FieldValues = ()
    scope: FieldValues = ()

    @property
    def is_unlimited(self) -> bool:
        """Whether every event of the feed matches."""
        return not self.filters and not self.scope

    def matches(self, values: Mapping[str, Any]) -> bool:
        """Whether an object with these filter values is wanted and allowed."""
        return all(
            as_text(values.get(field)) in wanted for field, wanted in (*self.filters, *self.scope)
        )


def as_text(value: Any) -> str:
    """A filter value as clients and scopes write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Feeds with their filters and scope, and the rate; hashable, in the feeds' own order."""

    feeds: tuple[FeedSubscription, ...]
    max_rate: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the feeds."""
        return tuple(feed.name for feed in self.feeds)

    def get(self, name: str) -> FeedSubscription | None:
        """The subscription to one feed."""
        return next((feed for feed in self.feeds if feed.name == name), None)

    def relation(
        self, name: str, values: Mapping[str, Any], was: Mapping[str, Any] | None
    ) -> Relation:
        """How an event of feed `name` concerns this: by its object now, or as it was before."""
        feed = self.get(name)
        if feed is None:
            return Relation.NONE
        if feed.is_unlimited or feed.matches(values):
            return Relation.MATCHES
        return Relation.LEFT if was is not None and feed.matches(was) else Relation.NONE

    def with_feeds(self, changed: Collection[FeedSubscription]) -> Self:
        """The same with `changed` added or put in the place of those of the same name."""
        by_name = {feed.name: feed for feed in (*self.feeds, *changed)}
        return replace(self, feeds=_ordered(by_name))

    def without_feeds(self, names: Collection[str]) -> Self:
        """The same without the feeds called `names`."""
        by_name = {feed.name: feed for feed in self.feeds if feed.name not in names}
        return replace(self, feeds=_ordered(by_name))

    def with_rate(self, max_rate: float | None) -> Self:
        """The same, flushed at most `max_rate` times a second."""
        return replace(self, max_rate=max_rate)

    def filters(self) -> dict[str, dict[str, list[str]]]:
        """The client's own filters, as the wire shows them."""
        return {
            feed.name: {field: sorted(wanted) for field, wanted in feed.filters}
            for feed in self.feeds
            if feed.filters
        }

    def digest(self) -> str:
        """What a returning client presents: it changes with feeds, filters, scope, versions."""
        canonical = [
            (
                feed.name,
                feeds()[feed.name].version,
                [(field, sorted(wanted)) for field, wanted in feed.filters],
                [(field, sorted(wanted)) for field, wanted in feed.scope],
            )
            for feed in self.feeds
        ]
        return hashlib.sha256(orjson.dumps(canonical)).hexdigest()[:12]


def make_subscription(
    wanted: Collection[FeedSubscription], *, max_rate: float | None = None
) -> Subscription:
    """A subscription to `wanted`, whose order does not matter."""
    return Subscription(_ordered({feed.name: feed for feed in wanted}), max_rate)


def _ordered(by_name: Mapping[str, FeedSubscription]) -> tuple[FeedSubscription, ...]:
    return tuple(by_name[name] for name in feeds() if name in by_name)
