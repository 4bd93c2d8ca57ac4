"""The OpenAPI document: whole, without a loose end; tests/trading/api holds answers to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.test import Client
from rest_framework.permissions import SAFE_METHODS

from project.openapi.document import openapi_document, rest_views
from project.openapi.operations import REASONS
from project.openapi.table import OPERATIONS
from tests.realtime.json_schemas import check, resolve


@pytest.fixture
def document() -> dict[str, Any]:
    return openapi_document()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(value: Any) -> Iterator[str]:
    """Every `$ref` in it."""
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_document_is_served_to_everybody(client: Client, document: dict[str, Any]) -> None:
    answer = client.get("/api/schema/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer.json() == document
    assert document["openapi"].startswith("3.1.")


def test_every_method_of_every_view_is_in_it() -> None:
    views = list(rest_views())
    assert len(views) > 10
    for path, view in views:
        methods = {name for name in view.http_method_names if hasattr(view, name)} - {"options"}
        assert OPERATIONS[view].keys() == methods - {"head"}, path
    assert OPERATIONS.keys() == {view for _, view in views}


def test_every_reference_leads_somewhere_and_every_schema_is_used(
    document: dict[str, Any],
) -> None:
    found = set(references(document))
    for reference in found:
        assert resolve(document, reference), reference
    names = {reference.rpartition("/")[2] for reference in found}
    assert names == document["components"]["schemas"].keys()


def test_operations_have_names_of_their_own_and_links_lead_to_them(
    document: dict[str, Any],
) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    links = [
        link["operationId"]
        for _, _, operation in operations(document)
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert links
    assert set(links) <= set(names)


def test_parameters_of_a_path_are_declared(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        declared = {
            parameter["name"]
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "path"
        }
        assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}, path


def test_each_operation_says_what_it_takes_and_may_refuse(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        statuses = {int(status) for status in operation["responses"]}
        assert statuses <= REASONS.keys()
        assert {401, 429} <= statuses, path
        if operation["security"]:
            assert 403 in statuses, path
        if method.upper() not in SAFE_METHODS:
            assert {400, 413, 415} <= statuses, path
            assert "requestBody" in operation, path
        if operation["operationId"] == "open_position":
            assert {409, 422} <= statuses


def test_examples_of_bodies_are_such_bodies(document: dict[str, Any]) -> None:
    seen = 0
    for path, _, operation in operations(document):
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            check(content["example"], content["schema"], document)
            seen += 1
            assert path
    assert seen >= 8
