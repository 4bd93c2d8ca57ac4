"""Holds every answer that the tests of REST get against the OpenAPI document."""

from __future__ import annotations

from functools import cache
from typing import Any

from project.not_found import nothing_there
from project.openapi.document import openapi_document
from project.openapi.table import OPERATIONS
from tests.realtime.json_schemas import check


@cache
def document() -> dict[str, Any]:
    """The document, made once."""
    return openapi_document()


def check_answer(response: Any, *, method: str) -> None:
    """Fail for an answer that the document does not have, in status, kind or body."""
    if response.resolver_match.func is nothing_there:
        assert response.status_code == 404
        return check(response.json(), {"$ref": "#/components/schemas/Error"}, document())
    view = getattr(response.resolver_match.func, "cls", None)
    assert view in OPERATIONS, f"{response.resolver_match.route} is not in the document"
    operation = OPERATIONS[view].get(method.lower())
    if operation is None:
        assert response.status_code == 405, response
        return
    answers = operation.as_openapi()["responses"]
    assert str(response.status_code) in answers, f"{operation.id} answers {response.status_code}"
    answer = answers[str(response.status_code)]
    kind = response["Content-Type"].partition(";")[0]
    assert kind in answer["content"], f"{operation.id} answers {kind}"
    if kind == "application/json":
        check(response.json(), answer["content"][kind]["schema"], document())
    if response.status_code == 201 and "Idempotency-Replayed" in response.headers:
        assert "Idempotency-Replayed" in answer["headers"]
