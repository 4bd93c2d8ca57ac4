"""A key that a client presents, for the stream or REST: a token or a JWT, told by its form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from realtime.auth import jwts
from realtime.auth.proofs import Proof, ProofKind
from realtime.auth.tokens import find_token, note_use


@dataclass(frozen=True, slots=True)
class Key:
    """A key that holds: whose it is, until when, and what it is."""

    user: Any
    proof: Proof
    expires_at: datetime | None
    # The token's row, or the JWT: what REST has as `request.auth`.
    of: Any


def find_key(text: str) -> Key:
    """The token or JWT in `text`, its use noted; raises InvalidToken, or one of its kinds."""
    if jwts.looks_like_jwt(text) and jwts.are_available():
        jwt = jwts.find_jwt(text)
        proof = Proof(ProofKind.JWT, jwt.stamp, jwt.expires_at)
        return Key(jwt.user, proof, jwt.expires_at, jwt)
    token = find_token(text)
    note_use(token)
    return Key(token.user, Proof(ProofKind.TOKEN, token.digest), token.expiry, token)
