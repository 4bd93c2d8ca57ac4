"""Slows down who guesses: logins by user name and by address, unknown tokens by address."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from typing import Any, TypeVar

from django.contrib.auth import authenticate
from django.http import HttpRequest

from realtime import metrics
from realtime.auth.attempts import Allowance, Attempts
from realtime.conf import conf

# People behind one address are several; a guesser of one name comes from anywhere.
ADDRESS_FACTOR = 5
# A provider gives each of its customers so much.
IPV6_PREFIX = 64
# A refused handshake is held back no longer: it occupies a connection.
LONGEST_HOLD_SECONDS = 5.0

_attempts = Attempts(clock=time.monotonic)
forget_all = _attempts.clear


class TooManyAttempts(Exception):
    """Too many failed logins: the password was not even looked at."""

    def __init__(self, seconds: float) -> None:
        self.seconds = ceil(seconds)
        super().__init__(f"Too many failed logins. Try again in {self.seconds} seconds.")


User = TypeVar("User")


def log_in(request: HttpRequest, *, username: str, password: str) -> Any:
    """The active user with this name and password, or None; raises TooManyAttempts."""
    return try_login(
        request,
        username=username,
        check=lambda: authenticate(request, username=username, password=password),
    )


def try_login(
    request: HttpRequest, *, username: str, check: Callable[[], User | None]
) -> User | None:
    """What `check` finds; None, or an exception of its own, counts. Raises TooManyAttempts.

    Counted before it is checked: a hundred attempts at once are a hundred.
    """
    name, address = _key("name", username.casefold()), _key("address", address_of(request))
    allowances = {name: _of_a_name(), address: _of_an_address()}
    wait = _attempts.take(allowances)
    if wait:
        metrics.auth_failures.labels("throttled").inc()
        raise TooManyAttempts(wait)
    found = None
    try:
        found = check()
    finally:
        if found is None:
            metrics.auth_failures.labels("invalid_credentials").inc()
    if found is not None:
        _attempts.forget(name)
        _attempts.give_back(address, allowances[address])
    return found


def count_unknown_token(address: str) -> float:
    """Count an unknown token from `address`; the seconds that its answer should wait."""
    return _attempts.take({_key("token", address): _of_an_address()})


def hold_seconds(address: str) -> float:
    """Count an unknown token of a handshake; for how long its refusal is held back."""
    return min(count_unknown_token(address), LONGEST_HOLD_SECONDS)


def address_of(request: HttpRequest) -> str:
    """Where a request comes from."""
    return str(request.META.get("REMOTE_ADDR", ""))


def address_of_scope(scope: Mapping[str, Any]) -> str:
    """Where a connection comes from; empty when the server does not know."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _of_a_name() -> Allowance:
    return Allowance(conf().login_attempts, conf().login_wait_seconds)


def _of_an_address() -> Allowance:
    settings = conf()
    return Allowance(
        settings.login_attempts * ADDRESS_FACTOR, settings.login_wait_seconds / ADDRESS_FACTOR
    )


def _key(kind: str, text: str) -> str:
    """Of one length, whatever was sent."""
    named = _network(text) if kind != "name" else text
    return sha256(f"{kind}:{named}".encode(errors="surrogatepass")).hexdigest()


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed.packed, IPV6_PREFIX), strict=False))
    return address
