"""What alerts are sent to in tests: a real HTTP server and a real mail server on this machine."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOOK_EVERY_SECONDS = 0.01


@dataclass
class Post:
    """What came with one POST."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body."""
        return dict(json.loads(self.body))


@dataclass
class Webhook:
    """An HTTP server: keeps what is posted, and answers with `statuses`, then with 204."""

    port: int = 0
    posts: list[Post] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    # Seconds between the bytes of an answer that never ends.
    drips_every: float | None = None

    @property
    def url(self) -> str:
        """Where to post to; the path is the secret."""
        return f"http://127.0.0.1:{self.port}/hooks/s3cr3t-path"


@dataclass
class Mailbox:
    """A mail server: keeps the messages, and refuses the first `refusals` of them."""

    port: int = 0
    messages: list[str] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    refusals: int = 0


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A receiver of POSTs."""
    kept = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.posts.append(Post(self.path, dict(self.headers), body))
            if kept.drips_every is not None:
                self._drip(kept.drips_every)
                return
            self.send_response(kept.statuses.pop(0) if kept.statuses else 204)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _drip(self, pause: float) -> None:
            try:
                while True:
                    self.wfile.write(b"H")
                    self.wfile.flush()
                    time.sleep(pause)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with serving(server):
        kept.port = server.server_address[1]
        yield kept


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A receiver of mail that speaks as much SMTP as Django needs."""
    kept = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 mailbox")
            recipients: list[str] = []
            while line := self.rfile.readline():
                command = line.decode().strip()
                verb = command[:4].upper()
                if verb == "RCPT":
                    recipients.append(command.partition("<")[2].partition(">")[0])
                if verb == "DATA":
                    self.take(recipients)
                    recipients = []
                elif verb == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 ok")

        def take(self, recipients: list[str]) -> None:
            if kept.refusals:
                kept.refusals -= 1
                self.say("451 try later: desk@example.test")
                return
            self.say("354 go on")
            lines = []
            while (line := self.rfile.readline().decode()) != ".\r\n":
                lines.append(line)
            kept.messages.append("".join(lines))
            kept.recipients.append(recipients)
            self.say("250 kept")

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with serving(server):
        kept.port = server.server_address[1]
        yield kept


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Serve in a thread until the `with` ends."""
    thread = threading.Thread(target=server.serve_forever, args=[LOOK_EVERY_SECONDS], daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
