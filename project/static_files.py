"""Serves static files from the same process as everything else, in the way that ASGI wants."""

from __future__ import annotations

import contextlib

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise whose answers are whole instead of streamed."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        """The file as one body; Django reads a synchronous stream as a whole anyway, and warns."""
        streamed = WhiteNoiseMiddleware.serve(static_file, request)
        with contextlib.closing(streamed):
            response = HttpResponse(streamed.getvalue(), status=streamed.status_code)
        del response["Content-Type"]
        for name, value in streamed.items():
            response[name] = value
        return response
