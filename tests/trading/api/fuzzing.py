"""Makes requests from the OpenAPI document: right ones, wrong ones, and ones that go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from hypothesis import strategies as st

Schema = Mapping[str, Any]
Strategy = st.SearchStrategy[Any]

# How many of ten requests are meant to be right.
RIGHT = st.integers(1, 10).map(lambda number: number <= 6)
TEXT = st.text(max_size=20)
SOME_ID = st.one_of(st.uuids().map(str), TEXT.filter(bool))
GARBAGE: Strategy = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
    st.lists(TEXT, max_size=2),
    st.dictionaries(TEXT, TEXT, max_size=2),
)


@dataclass
class Request:
    """One request of an operation."""

    method: str
    path: str
    query: str
    body: str | None
    headers: dict[str, str] = field(default_factory=dict)
    known_position: int | None = None

    def about(self, ids: list[str]) -> str:
        """The path, about one of the positions that there are."""
        if self.known_position is None:
            return self.path
        key = ids[self.known_position % len(ids)] if ids else str(UUID(int=self.known_position))
        return self.path.replace("{position_id}", key)


def values(schema: Schema) -> Strategy:
    """Values that `schema` allows."""
    if "enum" in schema:
        return st.sampled_from(list(schema["enum"]))
    kind = schema["type"]
    if kind == "integer":
        return st.integers(schema.get("minimum"), schema.get("maximum"))
    if kind == "array":
        return st.lists(values(schema["items"]), min_size=1, max_size=3)
    if kind == "object":
        return _objects(schema)
    assert kind == "string", schema
    return _texts(schema)


def requests(path: str, method: str, operation: Mapping[str, Any]) -> Strategy:
    """Requests of one operation, about positions that others have opened or about none."""

    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    bodies = {right: _bodies(content, is_right=right) for right in (True, False)} if content else {}

    @st.composite
    def make(draw: Callable[[Strategy], Any]) -> Request:
        is_right = draw(RIGHT)
        request = Request(method.upper(), path, "", None)
        query: dict[str, str] = {}
        for parameter in operation.get("parameters", ()):
            _add_parameter(draw, request, query, parameter, is_right=is_right)
        request.query = urlencode(query)
        if bodies:
            request.body = json.dumps(draw(bodies[is_right]))
        return request

    return make()


def _add_parameter(
    draw: Callable[[Strategy], Any],
    request: Request,
    query: dict[str, str],
    parameter: Mapping[str, Any],
    *,
    is_right: bool,
) -> None:
    name, schema = parameter["name"], parameter["schema"]
    if parameter["in"] == "path":
        value = draw(st.integers(0, 99) if is_right else SOME_ID)
        if is_right:
            request.known_position = value
        else:
            request.path = request.path.replace(f"{{{name}}}", quote(value, safe=""))
    elif draw(st.integers(0, 3)) == 0:
        value = draw(values(schema) if is_right else st.one_of(values(schema), TEXT))
        text = ",".join(value) if isinstance(value, list) else str(value)
        if parameter["in"] == "query":
            query[name] = text
        else:
            request.headers[name] = text if is_right else text.encode("ascii", "replace").decode()


def _bodies(content: Mapping[str, Any], *, is_right: bool) -> Strategy:
    if is_right:
        # The example, some of it changed: what the schema alone allows is seldom what makes sense.
        changes = values({**content["schema"], "required": []})
        return st.builds(
            lambda change, names: {
                **content["example"],
                **{name: change[name] for name in names if name in change},
            },
            changes,
            st.lists(st.sampled_from(list(content["schema"]["properties"])), max_size=2),
        )
    return st.one_of(
        GARBAGE,
        values(content["schema"]),
        st.builds(
            lambda name, value: {**content["example"], name: value},
            st.one_of(st.sampled_from(list(content["schema"]["properties"])), TEXT),
            GARBAGE,
        ),
    )


def _objects(schema: Schema) -> Strategy:
    required = schema.get("required", ())
    made = {name: values(of) for name, of in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: strategy for name, strategy in made.items() if name in required},
        optional={name: strategy for name, strategy in made.items() if name not in required},
    )


def _texts(schema: Schema) -> Strategy:
    made = {
        "uuid": st.uuids().map(str),
        "date": st.dates().map(str),
        "date-time": st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat()),
    }.get(schema.get("format", ""))
    if made is not None:
        return made
    least, most = schema.get("minLength", 0), schema.get("maxLength", 100)
    if "pattern" in schema:
        found = st.from_regex(schema["pattern"])
        return found.filter(lambda text: least <= len(text) <= most)
    return st.text(min_size=least, max_size=most)
