"""nginx as it is deployed: what it passes on, what it keeps to itself, and what it writes down."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from project.cluster import nginx as configuration
from tests.deploy.conftest import StartNginx
from tests.deploy.proxies import Echo, Nginx
from tests.deploy.support import needs_nginx, open_folder
from tests.e2e.support.processes import DEADLINE_SECONDS, ROOT
from tests.e2e.support.servers import choose_port

pytestmark = [pytest.mark.services, needs_nginx]

FOLDER = ROOT / "deploy" / "nginx"
SECRET = "0123456789abcdef" * 4
FORGED = {
    "Daphne-Root-Path": "/x",
    "Forwarded": "for=203.0.113.1",
    "X-Forwarded-For": "203.0.113.1",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/x",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Server": "evil.example",
    "X-Real-IP": "203.0.113.1",
    "X_Forwarded_For": "203.0.113.1",
}


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.close()


@pytest.fixture(scope="module")
def nginx(start_nginx: StartNginx, echo: Echo) -> Nginx:
    return start_nginx(echo.port)


@pytest.fixture(autouse=True)
def _nothing_was_asked(echo: Echo) -> None:
    echo.requests.clear()


def received(nginx: Nginx, headers: dict[str, str], source: str = "127.0.0.1") -> dict[str, str]:
    """The headers that the upstream got."""
    status, body = nginx.fetch("/", headers=headers, source=source)
    assert status == 200
    got: dict[str, str] = json.loads(body)
    return got


def test_forged_headers_do_not_arrive(nginx: Nginx) -> None:
    got = received(nginx, FORGED, source="127.0.0.2")
    forwarded = {name: value for name, value in got.items() if "forw" in name or "real" in name}
    assert forwarded == {"x-forwarded-for": "127.0.0.2", "x-forwarded-proto": "http"}
    assert "daphne-root-path" not in got


def test_host_arrives_with_its_port(nginx: Nginx) -> None:
    assert received(nginx, {"Host": "desk.example:8443"})["host"] == "desk.example:8443"


@pytest.mark.parametrize("name", ["websocket", "WebSocket"])
def test_websockets_are_upgraded(nginx: Nginx, name: str) -> None:
    got = received(nginx, {"Upgrade": name, "Connection": "keep-alive, Upgrade"})
    assert (got["upgrade"], got["connection"]) == ("websocket", "upgrade")


@pytest.mark.parametrize("headers", [{}, {"Upgrade": "h2c", "Connection": "Upgrade"}])
def test_nothing_else_is_upgraded(nginx: Nginx, headers: dict[str, str]) -> None:
    assert not {"upgrade", "connection"} & received(nginx, headers).keys()


@pytest.mark.parametrize(
    "path",
    [
        *("/metrics", "/metrics?a=b", "/%6detrics", "//metrics", "/./metrics", "/x/../metrics"),
        *("/x/%2e%2e/metrics", "/%2Fmetrics", "/metrics#a"),
    ],
)
def test_metrics_are_not_for_those_outside(nginx: Nginx, echo: Echo, path: str) -> None:
    assert nginx.fetch(path)[0] == 404
    assert echo.requests == []


def test_query_strings_are_in_no_log(start_nginx: StartNginx, echo: Echo) -> None:
    # The second upstream is not there: what fails is written down, too.
    nginx = start_nginx(choose_port())
    both = start_nginx(choose_port(), echo.port)
    for path in ("/ws", "/events", "/api/events/"):
        assert nginx.fetch(f"{path}?token={SECRET}")[0] == 502
        assert both.fetch(f"{path}?token={SECRET}")[0] == 200
    assert nginx.fetch(f"/metrics?token={SECRET}")[0] == 404
    nginx.fetch(f"/{'x' * 9000}?token={SECRET}")
    for each in (nginx, both):
        each.stop()
        assert SECRET not in each.access_log + each.error_log
    lines = nginx.access_log.splitlines()
    assert '"GET /ws HTTP/1.1" 502' in lines[0]
    assert lines[0].endswith('"502"')


def test_what_may_have_had_its_effect_is_not_sent_twice(
    start_nginx: StartNginx, echo: Echo
) -> None:
    # One each: an upstream that failed is left alone for a while.
    assert start_nginx(echo.port, echo.port).fetch("/hang-up", method="POST")[0] == 502
    assert echo.requests == ["POST /hang-up"]
    assert start_nginx(echo.port, echo.port).fetch("/hang-up")[0] == 502
    assert echo.requests[1:] == ["GET /hang-up"] * 2


def test_address_has_so_many_requests_at_a_time(start_nginx: StartNginx, echo: Echo) -> None:
    nginx = start_nginx(
        echo.port,
        changes={"limit_conn realtime_addresses 10000": "limit_conn realtime_addresses 2"},
    )
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(nginx.fetch, "/slow") for _ in range(2)]
        try:
            while len(echo.requests) < 2:
                assert not any(each.done() for each in waiting)
            assert nginx.fetch("/")[0] == 429
            assert nginx.fetch("/", source="127.0.0.2")[0] == 200
        finally:
            echo.may_answer.set()
        assert {each.result()[0] for each in waiting} == {200}


def test_header_that_comes_drop_by_drop_is_cut_off(start_nginx: StartNginx, echo: Echo) -> None:
    changes = {"client_header_timeout 10s": "client_header_timeout 1s"}
    nginx = start_nginx(echo.port, changes=changes)
    with socket.create_connection(("127.0.0.1", nginx.port), timeout=0.1) as dripping:
        dripping.sendall(b"GET / HTTP/1.1\r\n")
        for number in range(10 * int(DEADLINE_SECONDS)):
            try:
                # Each line in time: it is the header as a whole that is not.
                dripping.sendall(b"X-%d: a\r\n" % number)
                if not dripping.recv(4096):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("the header may come for ever")
    assert echo.requests == []


def test_tls_is_ready(start_nginx: StartNginx, echo: Echo, tmp_path: Path) -> None:
    key, certificate = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    command = ["openssl", "req", *options.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    port = choose_port()
    include = (FOLDER / "server.d" / "tls.conf.example").read_text(encoding="utf-8")
    include = include.replace("/etc/nginx/certificates", str(tmp_path))
    include = include.replace("listen 443", f"listen 127.0.0.1:{port}")
    nginx = start_nginx(echo.port, server_includes=[include])
    assert nginx.fetch("/ws?a=b", headers={"Host": "desk.example"})[0] == 308
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
    connection.request("GET", "/", headers=FORGED | {"X-Forwarded-Proto": "http"})
    got = json.loads(connection.getresponse().read())
    connection.close()
    assert got["x-forwarded-proto"] == "https"


def test_configuration_of_the_container_is_in_order() -> None:
    with open_folder() as folder:
        nginx = Nginx(folder, [8000])
        main = (FOLDER / "nginx.conf").read_text(encoding="utf-8")
        for old, new in {
            "user nginx;": "",
            "/run/nginx.pid": f"{folder}/nginx.pid",
            "/etc/nginx/conf.d/*.conf": f"{folder}/realtime.conf",
        }.items():
            assert old in main
            main = main.replace(old, new)
        nginx.main.write_text(main, encoding="utf-8")
        assert "syntax is ok" in nginx.check()


def test_printed_configuration_has_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    text = configuration.render(configuration.DEFAULTS)
    assert "${" not in text
    assert "server 127.0.0.1:8001 fail_timeout=2s; server 127.0.0.1:8002" in text
    assert "$remote_addr" in text
