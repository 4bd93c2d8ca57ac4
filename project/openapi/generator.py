"""Lets drf-spectacular check our document and show it at `/api/docs/`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.generators import SchemaGenerator

from project.openapi.document import openapi_document


class TableGenerator(SchemaGenerator):
    """Takes every operation from the table: nothing is guessed from views and their docstrings."""

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        """The document."""
        return openapi_document()
