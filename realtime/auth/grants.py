"""Who a client is and what it may see, decided once when it connects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from realtime.auth.proofs import Holder, Proof
from realtime.conf import conf
from realtime.feeds import Feed, Scope, feeds
from realtime.subscriptions import FeedSubscription, FieldValues, as_text, field_values

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser


@dataclass(frozen=True, slots=True)
class Grants:
    """A client's user and, by feed that it may see, the scope that limits it."""

    user_name: str
    user_key: str
    # None for a client without credentials.
    user_pk: Any
    scopes: Mapping[str, FieldValues]
    expires_at: datetime | None = field(default=None)
    # What let the client in, if it was a credential that can be taken back.
    proof: Proof | None = field(default=None)

    @property
    def holder(self) -> Holder | None:
        """What the re-check looks at; None for a client without credentials."""
        return None if self.user_pk is None else Holder(self.user_pk, self.proof)

    def may_view(self, feed_name: str) -> bool:
        """Whether the feed is open to this client."""
        return feed_name in self.scopes

    def subscription(self, feed_name: str, filters: FieldValues = ()) -> FeedSubscription:
        """A subscription to one feed within this client's scope."""
        return FeedSubscription(feed_name, filters, self.scopes[feed_name])


def grants_of(
    user: AbstractBaseUser, *, expires_at: datetime | None = None, proof: Proof | None = None
) -> Grants:
    """What `user` may see by its model permissions; queries the database."""
    (grants,) = grants_of_all([user])
    return replace(grants, expires_at=expires_at, proof=proof)


def grants_of_all(users: Sequence[AbstractBaseUser]) -> list[Grants]:
    """What each of `users` may see; feeds are asked for the scopes of all of them at once."""
    scopes: list[dict[str, FieldValues]] = [{} for _ in users]
    for name, feed in feeds().items():
        viewers = [index for index, user in enumerate(users) if may(user, feed)]
        found = feed.scopes([users[index] for index in viewers]) if viewers else ()
        for index, scope in zip(viewers, found, strict=True):
            scopes[index][name] = _field_values(feed, scope)
    return [
        Grants(
            user_name=user.get_username(),
            user_key=user_key(user.pk),
            user_pk=user.pk,
            scopes=scopes[index],
        )
        for index, user in enumerate(users)
    ]


def user_key(pk: Any) -> str:
    """What identifies a user among connections."""
    return f"user:{pk}"


def anonymous_grants(user: AnonymousUser) -> Grants:
    """What a client without credentials may see: `REALTIME_ANONYMOUS_FEEDS`, or all."""
    chosen = conf().anonymous_feeds or tuple(feeds())
    return Grants(
        user_name="anonymous",
        user_key="anonymous",
        user_pk=None,
        scopes={
            name: _field_values(feeds()[name], feeds()[name].scope(user))
            for name in chosen
            if name in feeds()
        },
    )


def may(user: AbstractBaseUser | AnonymousUser, feed: Feed) -> bool:
    """Whether `user` has the permission that the feed asks for."""
    return feed.permission is None or bool(user.has_perm(feed.permission))  # type: ignore[union-attr]


def _field_values(feed: Feed, found: Scope | None) -> FieldValues:
    scope = found or {}
    unknown = [field for field in scope if field not in feed.filter_fields]
    if unknown:
        raise ImproperlyConfigured(
            f"{feed.name}: scope() limits by {unknown[0]!r}, which is none of its filter_fields "
            f"({', '.join(feed.filter_fields)}), so nobody would see anything"
        )
    return field_values({field: [as_text(value) for value in scope[field]] for field in scope})
