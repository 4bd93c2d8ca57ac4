"""The client's address and the root path of a scope: from the proxy, never from the client."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.daphne.forwarded import correct_scope, nearest_address

FORWARDED_FOR = "X-Forwarded-For"


def make_scope(*values: bytes, client: list[Any] | None = None) -> dict[str, Any]:
    headers = [(b"host", b"desk.example"), *((b"x-forwarded-for", value) for value in values)]
    return {"headers": headers, "client": client, "root_path": "/forged"}


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ([], None),
        ([b""], None),
        ([b"192.0.2.1"], "192.0.2.1"),
        ([b"203.0.113.1, 192.0.2.1"], "192.0.2.1"),
        ([b"203.0.113.1,192.0.2.1 "], "192.0.2.1"),
        ([b"203.0.113.1", b"192.0.2.1"], "192.0.2.1"),
        ([b"2001:db8::1"], "2001:db8::1"),
        ([b"\xff"], "\xff"),
    ],
)
def test_nearest_address_is_the_last_one(values: list[bytes], address: str | None) -> None:
    assert nearest_address(make_scope(*values)["headers"], FORWARDED_FOR) == address


def test_without_a_proxy_the_header_says_nothing() -> None:
    scope = make_scope(b"203.0.113.1", client=["192.0.2.9", 5000])
    correct_scope(scope, root_path="", address_header=None)
    assert scope["client"] == ["192.0.2.9", 5000]


def test_proxy_that_says_nothing_is_the_client_itself() -> None:
    scope = make_scope(client=["192.0.2.9", 5000])
    correct_scope(scope, root_path="", address_header=FORWARDED_FOR)
    assert scope["client"] == ["192.0.2.9", 5000]


@pytest.mark.parametrize("client", [None, ["203.0.113.1", 0]])
def test_address_comes_from_the_proxy_also_by_a_unix_socket(client: list[Any] | None) -> None:
    scope = make_scope(b"203.0.113.1, 192.0.2.1", client=client)
    correct_scope(scope, root_path="", address_header=FORWARDED_FOR)
    assert scope["client"] == ["192.0.2.1", 0]


def test_root_path_is_the_options() -> None:
    scope = make_scope()
    correct_scope(scope, root_path="/mounted", address_header=None)
    assert scope["root_path"] == "/mounted"
