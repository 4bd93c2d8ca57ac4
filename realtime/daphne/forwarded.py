"""What a proxy says about a client, and what a client may not say about itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Headers = Iterable[tuple[bytes, bytes]]


def nearest_address(headers: Headers, name: str) -> str | None:
    """The last address that the header `name` holds: what the proxy before us has seen.

    Those before it are what the proxy was told; Daphne itself believes the first one.
    """
    wanted = name.lower().encode()
    values = [value for header, value in headers if header == wanted]
    if not values:
        return None
    return values[-1].rpartition(b",")[2].strip().decode("latin-1") or None


def correct_scope(scope: dict[str, Any], *, root_path: str, address_header: str | None) -> None:
    """Take the client's address from the proxy when there is one, and the root path from nobody.

    Daphne lets any client name a root path (`Daphne-Root-Path`), which Django cuts off the path
    before it looks for the view: a proxy's rules for `/metrics` would not see `/x/metrics`.
    """
    scope["root_path"] = root_path
    if not address_header:
        return
    address = nearest_address(scope["headers"], address_header)
    if address is not None:
        port = scope["client"][1] if scope["client"] else 0
        scope["client"] = [address, port]
