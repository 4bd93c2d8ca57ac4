"""The OpenAPI document: the operations of the table at the paths of the URLconf."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, URLResolver, get_resolver
from django.views.decorators.http import require_safe

from project.openapi.operations import SECURITY_SCHEMES
from project.openapi.outputs import component_schemas
from project.openapi.table import OPERATIONS
from realtime import __version__
from realtime.conf import conf

OPENAPI_VERSION = "3.1.1"
# A page for people, which is no operation.
DOCS_PAGE = "/api/docs/"
_CONVERTER = re.compile(r"<(?:\w+:)?(\w+)>")


@require_safe
def openapi(request: HttpRequest) -> JsonResponse:
    """The document, for programs and for pages."""
    return JsonResponse(openapi_document())


def openapi_document() -> dict[str, Any]:
    """Every operation of REST."""
    paths: dict[str, dict[str, Any]] = {}
    for path, view in rest_views():
        for method, operation in OPERATIONS.get(view, {}).items():
            paths.setdefault(path, {})[method] = operation.as_openapi()
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": f"{conf().service_name}: REST",
            "version": __version__,
            "description": "Read and write positions, equity and risk. docs/rest.md tells more.",
        },
        "paths": paths,
        "components": {
            "schemas": component_schemas(),
            "securitySchemes": dict(SECURITY_SCHEMES),
        },
    }


def rest_views() -> Iterator[tuple[str, Any]]:
    """Each path under `/api/` with its view class."""
    for path, pattern in _patterns(get_resolver().url_patterns, "/"):
        view = getattr(pattern.callback, "cls", None)
        if path.startswith("/api/") and view is not None and path != DOCS_PAGE:
            yield path, view


def _patterns(
    patterns: Iterable[URLPattern | URLResolver], prefix: str
) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        path = prefix + _CONVERTER.sub(r"{\1}", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, path)
        else:
            yield path, pattern
