"""schemathesis, which knows nothing of us but the document, finds no untruth in it."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from realtime.auth import guessing
from realtime.auth.jwts import issue_jwts
from realtime.auth.tokens import create_token
from tests.trading.api.conformance import document
from tests.trading.api.people import WRITES, add_trader
from tests.trading.conftest import open_example
from trading.models import Account

pytestmark = [pytest.mark.django_db, pytest.mark.faults]

# `make test-faults` sets more.
EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "6"))
STEPS = 8
# Resuming what is not paused is a conflict: not all can work from the same state.
SHARE_THAT_WORKS = 0.9
FOR_STAFF = frozenset({"list_connections"})
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
QUIETLY = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _connection_stays_open() -> Iterator[None]:
    """The requests are made in the test's own transaction, as Django's test client makes them."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


class Visit:
    """One user's requests: each operation by itself, and runs of them along their links."""

    def __init__(self, user: User) -> None:
        self.schema = schemathesis.openapi.from_wsgi("/api/schema/", WSGIHandler())
        self.headers = {"Authorization": f"Token {create_token(user)[1]}"}
        self.statuses: dict[str, set[int]] = defaultdict(set)
        self._asked: Counter[str] = Counter()

    def ask_each_operation(self) -> None:
        """Ask for every operation some times, each of the same state: one open position."""
        key = str(open_example().pk)
        for found in self.schema.get_all_operations():
            operation = found.ok()

            @QUIETLY
            @given(operation.as_strategy())
            def ask(case: Any) -> None:
                if self.make_sense_of(case) and "position_id" in (case.path_parameters or ()):
                    case.path_parameters["position_id"] = key
                response = case.call(headers=self.headers)
                self.note(case, response)
                case.validate_response(response, checks=CHECKS)

            with transaction.atomic():
                ask()
                transaction.set_rollback(True)

    def follow_links(self) -> None:
        """Go on from what was answered: read, update and close what was opened."""
        visit = self

        class Machine(self.schema.as_state_machine()):  # type: ignore[misc]
            def setup(self) -> None:
                # The same run, done again, has to meet the same rows.
                visit._asked.clear()
                self.transaction = transaction.atomic()
                self.transaction.__enter__()

            def teardown(self) -> None:
                transaction.set_rollback(True)
                self.transaction.__exit__(None, None, None)

            def before_call(self, case: Any) -> None:
                visit.make_sense_of(case)

            def get_call_kwargs(self, case: Any) -> dict[str, Any]:
                return {"headers": visit.headers}

            def after_call(self, response: Any, case: Any) -> None:
                visit.note(case, response)

            def validate_response(self, response: Any, case: Any, **_: Any) -> None:
                case.validate_response(response, checks=CHECKS)

        Machine.run(settings=QUIETLY)

    def make_sense_of(self, case: Any) -> bool:
        """Let every second request be the document's example: few from a schema make sense."""
        name = id_of(case)
        self._asked[name] += 1
        if self._asked[name] % 2 == 0:
            return False
        case.query = {}
        body = case.operation.definition.raw.get("requestBody")
        if body is not None:
            case.body = dict(body["content"]["application/json"]["example"])
            case.media_type = "application/json"
        if name == "renew_jwt":
            case.body["refresh"] = issue_jwts(User.objects.get_by_natural_key("demo"))["refresh"]
        # What was guessed at random before must not make this one wait.
        guessing.forget_all()
        return True

    def note(self, case: Any, response: Any) -> None:
        """Remember what was answered."""
        self.statuses[id_of(case)].add(response.status_code)


def id_of(case: Any) -> str:
    """The operation's name in the document."""
    name: str = case.operation.definition.raw["operationId"]
    return name


def names_of_operations() -> set[str]:
    """Every operation of the document."""
    return {
        operation["operationId"]
        for methods in document()["paths"].values()
        for operation in methods.values()
    }


def test_an_operators_requests_are_answered_as_documented_and_most_of_them_work(
    default_account: Account,
) -> None:
    User.objects.create_user("demo", password="demo")
    operator = add_trader("operator", permissions=(*WRITES, "view_all_accounts"))
    operator.is_staff = True
    operator.save()
    visit = Visit(operator)
    visit.follow_links()
    visit.ask_each_operation()
    working = {name for name, found in visit.statuses.items() if found & {200, 201}}
    missing = {name: visit.statuses[name] for name in names_of_operations() - working}
    assert len(working) >= SHARE_THAT_WORKS * len(names_of_operations()), missing


def test_a_viewers_requests_are_answered_as_documented_and_none_of_them_writes(
    default_account: Account,
) -> None:
    User.objects.create_user("demo", password="demo")
    visit = Visit(add_trader("viewer", "default", permissions=()))
    visit.ask_each_operation()
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            found = visit.statuses[operation["operationId"]]
            if (operation["security"] and method != "get") or operation["operationId"] in FOR_STAFF:
                assert found == {403}, path
            elif operation["security"]:
                assert found & {200, 404}, path
