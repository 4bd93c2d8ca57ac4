"""The batched look at what connected clients may see now: a constant number of queries."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import Error as DatabaseError

from realtime.auth.credentials import Refused
from realtime.auth.grants import Grants, grants_of_all
from realtime.auth.jwts import is_stamp_of
from realtime.auth.proofs import Holder, Proof, ProofKind
from realtime.auth.sessions import find_signed_in
from realtime.auth.tokens import find_expiries
from realtime.auth.user_permissions import in_chunks, preload_permissions
from realtime.timestamps import now

logger = logging.getLogger(__name__)

Access = Grants | Refused

SESSION_ENDED = Refused("authentication_required", "The session has ended. Sign in again.")
_EXPIRED = Refused("token_expired", "The token has expired. Issue a new one.")
_REVOKED = Refused("token_revoked", "The token was revoked.")
_OUTDATED = Refused("token_revoked", "The password has changed. Sign in again.")
_INACTIVE = Refused("permission_denied", "The user is no longer active.")
_UNKNOWN = Refused(
    "unavailable", "The server cannot tell what you may see. Come back.", close_code=1013
)


def review(holders: Collection[Holder]) -> dict[Holder, Access]:
    """What each holder may see now, or why it is refused; raises DatabaseError."""
    try:
        return _review(holders)
    except DatabaseError:
        raise
    except Exception:
        # A scope that fails for one user must not keep the others from being looked at.
        logger.exception("What some clients may see cannot be told; looking at each alone")
        return {holder: _review_alone(holder) for holder in holders}


def _review_alone(holder: Holder) -> Access:
    try:
        return _review([holder])[holder]
    except DatabaseError:
        raise
    except Exception:
        logger.exception("What user %s may see cannot be told", holder.user_pk)
        return _UNKNOWN


def _review(holders: Collection[Holder]) -> dict[Holder, Access]:
    users = _active_users({holder.user_pk for holder in holders})
    proofs = _Proofs(holders, users)
    preload_permissions(list(users.values()))
    grants = dict(zip(users, grants_of_all(list(users.values())), strict=True))
    return {
        holder: _access(holder, grants.get(holder.user_pk), proofs, users) for holder in holders
    }


def _active_users(pks: Collection[Any]) -> dict[Any, Any]:
    manager = get_user_model()._default_manager
    return {
        user.pk: user
        for chunk in in_chunks(pks)
        for user in manager.filter(pk__in=chunk)
        if user.is_active
    }


def _access(
    holder: Holder, grants: Grants | None, proofs: _Proofs, users: Mapping[Any, Any]
) -> Access:
    if grants is None:
        return _INACTIVE
    refusal, expires_at = proofs.judge(holder.proof, users[holder.user_pk])
    if refusal is not None:
        return refusal
    if not grants.scopes:
        return Refused("permission_denied", f"{grants.user_name} may view no feed any more.")
    return replace(grants, expires_at=expires_at, proof=holder.proof)


class _Proofs:
    """The tokens and sessions of all holders, read at once."""

    def __init__(self, holders: Collection[Holder], users: Mapping[Any, Any]) -> None:
        proofs = [(holder.proof, users.get(holder.user_pk)) for holder in holders if holder.proof]
        tokens = {proof.key for proof, _ in proofs if proof.kind is ProofKind.TOKEN}
        self._expiries = find_expiries(tokens) if tokens else {}
        sessions = {
            proof.key: user
            for proof, user in proofs
            if proof.kind is ProofKind.SESSION and user is not None
        }
        self._signed_in = find_signed_in(sessions) if sessions else set()

    def judge(self, proof: Proof | None, user: Any) -> tuple[Refused | None, datetime | None]:
        """Why the proof holds no more, if so; and when it ends."""
        if proof is None:
            return None, None
        if proof.kind is ProofKind.SESSION:
            return (None if proof.key in self._signed_in else SESSION_ENDED), None
        if proof.kind is ProofKind.JWT:
            expires_at = proof.expires_at
            is_revoked, refusal = not is_stamp_of(proof.key, user), _OUTDATED
        else:
            expires_at = self._expiries.get(proof.key)
            is_revoked, refusal = proof.key not in self._expiries, _REVOKED
        if is_revoked:
            return refusal, None
        is_over = expires_at is not None and expires_at <= now()
        return (_EXPIRED if is_over else None), expires_at
