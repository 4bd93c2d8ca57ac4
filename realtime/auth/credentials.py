"""Who opens a connection: credentials in the protocol's order, checked in our own threads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import close_old_connections
from django.http.request import split_domain_port, validate_host

from realtime.auth.grants import Grants, anonymous_grants, grants_of
from realtime.auth.keys import find_key
from realtime.auth.proofs import Proof, ProofKind
from realtime.auth.sessions import find_session_user
from realtime.auth.tokens import InvalidToken
from realtime.conf import conf

logger = logging.getLogger(__name__)

BEARER_SUBPROTOCOL = "bearer."
SCHEMES = frozenset({"token", "bearer"})
THREADS = 4
# Daphne gives a handshake 5 seconds: whoever waits for longer is told nothing.
CHECK_SECONDS = 3.0

# Not `database_sync_to_async`: its one thread is everybody's, and one slow query would delay all.
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="realtime-auth")

Result = TypeVar("Result")


class Refused(Exception):
    """A client is refused; `code` is the error code of the protocol."""

    def __init__(
        self, code: str, text: str, *, close_code: int = 1008, is_guess: bool = False
    ) -> None:
        super().__init__(text)
        self.code = code
        # Whether somebody may be guessing tokens: such a one is answered slowly.
        self.is_guess = is_guess
        self.text = text
        self.close_code = close_code


UNAVAILABLE = Refused(
    "unavailable", "The server cannot read its database. Come back with backoff.", close_code=1013
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client presented, the first that is present."""

    token: str | None = None
    session_key: str | None = None
    origin: str | None = None
    host: str = ""
    is_malformed: bool = False


def read_credentials(scope: Mapping[str, Any], *, query_token: str | None) -> Credentials:
    """Find the credentials of a connection: header, subprotocol, query, cookie."""
    headers = {name: value.decode("latin-1") for name, value in scope.get("headers", ())}
    if b"authorization" in headers:
        scheme, _, key = headers[b"authorization"].strip().partition(" ")
        if scheme.lower() in SCHEMES and key.strip():
            return Credentials(token=key.strip())
        return Credentials(is_malformed=True)
    for protocol in scope.get("subprotocols", ()):
        if protocol.startswith(BEARER_SUBPROTOCOL):
            return Credentials(token=protocol.removeprefix(BEARER_SUBPROTOCOL))
    if query_token is not None:
        return Credentials(token=query_token)
    return Credentials(
        session_key=_cookie(headers.get(b"cookie", ""), settings.SESSION_COOKIE_NAME),
        origin=headers.get(b"origin"),
        host=headers.get(b"host", ""),
    )


async def authenticate(credentials: Credentials) -> Grants:
    """What the client may see; raises Refused, and TimeoutError when the database is silent."""
    async with asyncio.timeout(CHECK_SECONDS):
        return await in_thread(lambda: _authenticate(credentials))


async def in_thread(job: Callable[[], Result]) -> Result:
    """Run `job`, which may query the database, in one of this module's threads."""

    def run() -> Result:
        close_old_connections()
        try:
            return job()
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_threads, run)


def _authenticate(credentials: Credentials) -> Grants:
    grants = _grants(credentials)
    if not grants.scopes:
        raise Refused(
            "permission_denied",
            f"{grants.user_name} may view no feed. Ask an administrator for a view permission.",
        )
    return grants


def _grants(credentials: Credentials) -> Grants:
    if credentials.is_malformed:
        raise Refused("invalid_token", "The Authorization header has to be `Token KEY`.")
    if credentials.token is not None:
        return _grants_by_key(credentials.token)
    if credentials.session_key is not None:
        found = _grants_by_session(credentials)
        if found is not None:
            return found
    if conf().allow_anonymous:
        logger.warning("A client without credentials reads the stream (REALTIME_ALLOW_ANONYMOUS)")
        return anonymous_grants(AnonymousUser())
    raise Refused(
        "authentication_required",
        "Present a token: `Authorization: Token KEY`, the subprotocols `realtime.v1, bearer.KEY`, "
        "or sign in.",
    )


def _grants_by_key(text: str) -> Grants:
    try:
        key = find_key(text)
    except InvalidToken as error:
        raise Refused(error.code, str(error), is_guess=error.is_unknown) from None
    return grants_of(key.user, expires_at=key.expires_at, proof=key.proof)


def _grants_by_session(credentials: Credentials) -> Grants | None:
    """The signed-in user's grants; None when nobody is signed in."""
    key = credentials.session_key or ""
    user = find_session_user(key)
    if user is None:
        return None
    # Any page may make a browser send its cookies here: only our own pages are let in with them.
    if not origin_is_allowed(credentials.origin, host=credentials.host):
        raise Refused(
            "origin_not_allowed",
            f"Pages of {credentials.origin or 'an unknown origin'} may not use the session "
            "cookie (REALTIME_ALLOWED_ORIGINS).",
        )
    return grants_of(user, proof=Proof(ProofKind.SESSION, key))


def origin_is_allowed(origin: str | None, *, host: str) -> bool:
    """Whether a page of `origin` may connect to `host` with a cookie."""
    if origin is None:
        return False
    if origin in conf().allowed_origins:
        return True
    allowed = settings.ALLOWED_HOSTS or (
        ["localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else []
    )
    address = origin.partition("://")[2]
    name, _ = split_domain_port(address)
    return bool(name) and address == host and validate_host(name, allowed)


def _cookie(header: str, name: str) -> str | None:
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return None
    value = cookies[name].value if name in cookies else None
    # Databases refuse a null character, which a quoted cookie can hold; no session has one.
    return None if value is None or "\x00" in value else value
