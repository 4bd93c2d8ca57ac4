"""Members of accounts come and go: their live connections see what they may see from then on."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import m2m_changed, pre_delete

from realtime.auth.access import access_changed
from trading.models import Account


def connect() -> None:
    """Follow every way in which an account's members change."""
    m2m_changed.connect(
        _members_changed,
        sender=Account.members.through,
        dispatch_uid="trading.membership.changed",
    )
    pre_delete.connect(
        _account_goes, sender=Account, dispatch_uid="trading.membership.account_goes"
    )


def _members_changed(
    # The account, or in reverse the user whose accounts are changed.
    instance: Any,
    action: str,
    reverse: bool,
    pk_set: set[Any] | None,
    using: str,
    **_: Any,
) -> None:
    if action in {"post_add", "post_remove"} and pk_set:
        access_changed([instance.pk] if reverse else pk_set)
    elif action == "pre_clear":
        # Afterwards nobody knows who they were; the connections are told after the commit.
        access_changed([instance.pk] if reverse else _members(instance, using=using))


def _account_goes(instance: Account, using: str, **_: Any) -> None:
    access_changed(_members(instance, using=using))


def _members(account: Account, *, using: str) -> list[Any]:
    """Everybody who is a member now.

    The lock is the one that no new row pointing to the account can pass: somebody who became a
    member between this look and the removal of all would be removed untold.
    """
    rows = Account.objects.using(using)
    list(rows.select_for_update().filter(pk=account.pk).values_list("pk"))
    return list(account.members.using(using).order_by().values_list("pk", flat=True))
