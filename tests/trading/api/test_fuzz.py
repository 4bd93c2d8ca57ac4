"""Whatever is asked of REST, in whatever order: no failure, and no undocumented answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from tests.trading.api.conformance import document
from tests.trading.api.fuzzing import Request, requests
from tests.trading.api.people import WRITES, add_trader, signed_in
from trading.models import Account

pytestmark = [pytest.mark.django_db, pytest.mark.faults]

# `make test-faults` sets more.
EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "30"))
SHARE_THAT_WORKS = 0.9
# Requests that belong together are one example: what one did, the next one meets.
RUN = 8
WHICH = st.integers(0, 9_999)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of all that a signed-in user may ask."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if operation["security"]:
                yield path, method, operation


def send(client: APIClient, request: Request, ids: list[str]) -> Any:
    """Ask; the answer is held against the document, as everywhere in these tests."""
    return client.generic(
        request.method,
        request.about(ids),
        request.body or "",
        content_type="application/json",
        QUERY_STRING=request.query,
        **{f"HTTP_{name.upper().replace('-', '_')}": v for name, v in request.headers.items()},
    )


def ask_at_random(client: APIClient) -> dict[str, set[int]]:
    """The statuses that each operation has answered."""
    chosen = [
        (operation["operationId"], requests(path, method, operation))
        for path, method, operation in operations()
    ]
    statuses: dict[str, set[int]] = {name: set() for name, _ in chosen}
    ids: list[str] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        for _ in range(RUN):
            name, made = chosen[data.draw(WHICH) % len(chosen)]
            answer = send(client, data.draw(made), ids)
            assert answer.status_code < 500
            statuses[name].add(answer.status_code)
            if answer.status_code == 201 and "position_id" in answer.json():
                ids.append(answer.json()["position_id"])

    run()
    return statuses


def test_an_operators_requests_are_answered_as_documented_and_most_of_them_work(
    default_account: Account,
) -> None:
    operator = add_trader("operator", permissions=(*WRITES, "view_all_accounts"))
    statuses = ask_at_random(signed_in(operator))
    working = [name for name, found in statuses.items() if found & {200, 201}]
    assert len(working) >= SHARE_THAT_WORKS * len(statuses), statuses
    assert 409 in statuses["open_position"] | statuses["close_position"]


def test_a_viewers_requests_are_answered_as_documented_and_none_of_them_writes(
    default_account: Account,
) -> None:
    statuses = ask_at_random(signed_in(add_trader("viewer", "default", permissions=())))
    writing = {operation["operationId"] for _, method, operation in operations() if method != "get"}
    for name, found in statuses.items():
        if name in writing:
            assert found == {403}, name
        else:
            assert found & {200, 404}, name
