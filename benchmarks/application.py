"""The project's application, with a writer inside that a measurement starts by a request."""

from __future__ import annotations

import threading
from typing import Any

import orjson

from benchmarks.paths import WRITER_PATH
from benchmarks.writing import write
from project.asgi import application as project_application


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Everything is the project's, except one path."""
    if scope["type"] == "http" and scope["path"] == WRITER_PATH:
        order = orjson.loads(await _read_body(receive))
        threading.Thread(target=write, kwargs=order, name="writer", daemon=True).start()
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    await project_application(scope, receive, send)  # type: ignore[arg-type]


async def _read_body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body
