"""Makes the static files that WhiteNoise streams whole, as ASGI wants them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseFileResponse

Handler = Callable[[HttpRequest], HttpResponseBase]


def whole_static_files(get_response: Handler) -> Handler:
    """Middleware above WhiteNoise's: its answers get one body instead of a stream."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        return _whole(response) if isinstance(response, WhiteNoiseFileResponse) else response

    return answer


def _whole(streamed: FileResponse) -> HttpResponse:
    # Django reads a synchronous stream as a whole anyway before it sends it, and warns.
    response = HttpResponse(_body(streamed), status=streamed.status_code)
    del response["Content-Type"]
    for name, value in streamed.items():
        response[name] = value
    return response


def _body(streamed: FileResponse) -> bytes:
    # Not `streamed.close()`: it would tell Django that the request is over.
    if streamed.file_to_stream is None:
        return b""
    with contextlib.closing(streamed.file_to_stream) as file:
        return bytes(file.read())
