"""What let a client in, in the form in which the re-check finds it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class ProofKind(StrEnum):
    """The kinds of credentials that a connection can rest on."""

    TOKEN = "token"
    JWT = "jwt"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Proof:
    """One credential: a token's digest, the stamp in a JWT, or a session's key."""

    kind: ProofKind
    # Some of these open the stream: none is ever printed.
    key: str = field(repr=False)
    # A JWT's own; a token's is in its row, where it may be changed.
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A user by what let it in: connections with equal holders are looked at once."""

    user_pk: Any
    proof: Proof | None = None
