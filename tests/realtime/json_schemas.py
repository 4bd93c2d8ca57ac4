"""Checks a value against the part of JSON Schema that documents use: undeclared is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def resolve(document: Mapping[str, Any], reference: str) -> Any:
    """What `#/a/b` names in the document; raises KeyError for nothing."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def check(value: Any, schema: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Fail where `value` is not as `schema` says, or has a property that it does not declare."""
    if "$ref" in schema:
        return check(value, resolve(document, schema["$ref"]), document)
    if "oneOf" in schema:
        return _check_one_of(value, schema["oneOf"], document)
    if schema.get("type") == "object" and not schema.keys() - {"type", "description"}:
        schema = {**schema, "additionalProperties": True}
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        allowed = tuple(kind for name in names for kind in TYPES[name])
        is_number_that_is_bool = isinstance(value, bool) and "boolean" not in names
        assert isinstance(value, allowed), (value, schema)
        assert not is_number_that_is_bool, (value, schema)
    assert value == schema.get("const", value), (value, schema)
    assert value in schema.get("enum", [value]), (value, schema)
    if "pattern" in schema and isinstance(value, str):
        assert re.search(schema["pattern"], value), (value, schema)
    if isinstance(value, list):
        for item in value:
            check(item, schema.get("items", {}), document)
    if isinstance(value, dict):
        _check_object(value, schema, document)


def _check_object(
    value: dict[str, Any], schema: Mapping[str, Any], document: Mapping[str, Any]
) -> None:
    missing = set(schema.get("required", ())) - value.keys()
    assert not missing, (missing, value)
    for name, item in value.items():
        declared = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        assert declared not in (None, False), f"{name!r} of {value} is not declared"
        if declared is not True:
            check(item, declared, document)


def _check_one_of(value: Any, schemas: list[Any], document: Mapping[str, Any]) -> None:
    fitting = 0
    for schema in schemas:
        try:
            check(value, schema, document)
        except AssertionError:
            continue
        fitting += 1
    assert fitting == 1, f"{value} fits {fitting} of {schemas}"
