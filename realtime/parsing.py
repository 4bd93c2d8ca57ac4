"""Bodies of REST requests and the form of answers: JSON, whatever else is asked for.

Apart from the views, because Django REST framework imports this while it is being imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class CarefulJSONParser(JSONParser):
    """Anything that is no JSON is a 400, never a failure."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The body as Python has it."""
        # JSON is UTF-8, whatever the header says.
        context = {**(parser_context or {}), "encoding": "utf-8"}
        try:
            return super().parse(stream, media_type, context)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None


class AlwaysJSON(DefaultContentNegotiation):
    """The first renderer, whatever `Accept` names: there is no other, and errors are JSON too."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The first, with its media type."""
        first = next(iter(renderers))
        return first, str(first.media_type)
