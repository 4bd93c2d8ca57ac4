"""One operation of REST as the document has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from project.openapi.inputs import body_schema, query_parameters
from project.openapi.outputs import reference
from trading.api.bodies import Body
from trading.queries import Query

JSON = "application/json"
CSV = "text/csv"
READING = (401, 403, 429, 503)
WRITING = (400, 401, 403, 413, 415, 429, 503)
REASONS: Mapping[int, str] = {
    200: "Done.",
    201: "Done: there is a new object.",
    400: "A value makes no sense, or a field or parameter does not exist.",
    401: "No credentials, or they do not hold.",
    403: "The user lacks the permission.",
    404: "There is no such object, or none for this user.",
    409: "The present state forbids it.",
    410: "The log no longer holds every event after `since`.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "The database is away: come back with backoff.",
}
SECURITY: list[dict[str, list[str]]] = [{"token": []}, {"session": []}]
SECURITY_SCHEMES: Mapping[str, Any] = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Token KEY` or `Bearer KEY`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "A signed-in page; writes need its CSRF token.",
    },
}
RETRY_AFTER = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}}
}


@dataclass(frozen=True)
class Operation:
    """What one method of one path takes, does and answers."""

    id: str
    tag: str
    summary: str
    # The status of success, and the name of the schema that comes with it; None for a file.
    status: int = 200
    answer: str | None = None
    errors: tuple[int, ...] = READING
    query: type[Query] | None = None
    body: type[Body] | None = None
    body_of_its_own: Mapping[str, Any] | None = None
    parameters: tuple[Mapping[str, Any], ...] = ()
    answer_headers: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, Any] = field(default_factory=dict)
    example: Mapping[str, Any] | None = None
    is_open: bool = False
    description: str = ""

    def as_openapi(self) -> dict[str, Any]:
        """The operation object."""
        written: dict[str, Any] = {
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description or self.summary,
            "security": [] if self.is_open else SECURITY,
            "responses": {
                str(self.status): self._success(),
                **{str(status): _error(status) for status in self.errors},
            },
        }
        parameters = [*self.parameters, *(query_parameters(self.query) if self.query else ())]
        if parameters:
            written["parameters"] = parameters
        schema = self.body_of_its_own or (body_schema(self.body) if self.body else None)
        if schema is not None:
            content: dict[str, Any] = {"schema": schema}
            if self.example is not None:
                content["example"] = self.example
            written["requestBody"] = {"required": True, "content": {JSON: content}}
        return written

    def _success(self) -> dict[str, Any]:
        schema = reference(self.answer) if self.answer else {"type": "string"}
        success: dict[str, Any] = {
            "description": REASONS[self.status],
            "content": {JSON if self.answer else CSV: {"schema": schema}},
        }
        if self.answer_headers:
            success["headers"] = self.answer_headers
        if self.links:
            success["links"] = self.links
        return success


def _error(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": REASONS[status],
        "content": {JSON: {"schema": reference("Error")}},
    }
    return answer | ({"headers": RETRY_AFTER} if status == 429 else {})
