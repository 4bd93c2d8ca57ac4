"""The real nginx with the configuration that is deployed, and an upstream that says what it got."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from project.cluster.nginx import write_configuration
from tests.deploy.support import NGINX
from tests.e2e.support.processes import DEADLINE_SECONDS
from tests.e2e.support.servers import LOOK_EVERY_SECONDS, choose_port


class Nginx:
    """One nginx in the foreground, in a folder of its own.

    `changes` replaces texts of the configuration: a test does not wait for a minute.
    """

    def __init__(
        self,
        folder: Path,
        ports: Sequence[int],
        *,
        changes: Mapping[str, str] | None = None,
        server_includes: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.port = choose_port()
        self.main = write_configuration(folder, listen=f"127.0.0.1:{self.port}", ports=list(ports))
        site = folder / "realtime.conf"
        text = site.read_text(encoding="utf-8")
        for old, new in (changes or {}).items():
            assert old in text, f"the template has no {old!r}"
            text = text.replace(old, new)
        site.write_text(text, encoding="utf-8")
        (folder / "server.d").mkdir()
        for number, include in enumerate(server_includes):
            (folder / "server.d" / f"{number}.conf").write_text(include, encoding="utf-8")

    @property
    def access_log(self) -> str:
        """A line for each request that is over."""
        return (self.folder / "nginx-access.log").read_text(encoding="utf-8")

    @property
    def error_log(self) -> str:
        """What it printed."""
        return (self.folder / "nginx.log").read_text(encoding="utf-8")

    def check(self) -> str:
        """What `nginx -t` prints; fails when the configuration is not in order."""
        run = subprocess.run(
            [str(NGINX), "-t", "-p", str(self.folder), "-c", str(self.main)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        return run.stderr

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        with (self.folder / "nginx.log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(NGINX), "-p", str(self.folder), "-c", str(self.main)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                assert self.process.poll() is None, self.error_log
                assert time.monotonic() < deadline, "nginx does not answer"
                time.sleep(LOOK_EVERY_SECONDS)

    def stop(self) -> None:
        """End it, whoever is connected."""
        self.process.terminate()
        self.process.wait(DEADLINE_SECONDS)

    def fetch(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        source: str = "127.0.0.1",
    ) -> tuple[int, str]:
        """Status and body of a request from the address `source`."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=DEADLINE_SECONDS, source_address=(source, 0)
        )
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


class Echo:
    """An upstream that answers with what it got: `/slow` when told, `/hang-up` never."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.may_answer = threading.Event()
        echo = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                echo.requests.append(f"{self.command} {self.path}")
                if self.path.startswith("/hang-up"):
                    self.close_connection = True
                    return
                if self.path.startswith("/slow"):
                    echo.may_answer.wait(DEADLINE_SECONDS)
                body = json.dumps({name.lower(): value for name, value in self.headers.items()})
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
