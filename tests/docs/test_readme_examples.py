"""What the README tells a reader to paste works, word for word, against a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.project.running import DEADLINE_SECONDS, ROOT, Demo, free_port

README = (ROOT / "README.md").read_text(encoding="utf-8")
needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    started = Demo(tmp_path_factory.mktemp("readme"), free_port())
    started.wait_for_output("Ctrl-C stops everything")
    yield started
    started.process.terminate()
    started.process.wait(DEADLINE_SECONDS)


@pytest.fixture
def token(demo: Demo) -> str:
    return demo.wait_for_output(r"Token +(\w+)")[1]


def code_of(language: str, demo: Demo) -> str:
    """The README's blocks of that language, for the demo's port."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert blocks, language
    return "\n".join(blocks).replace("127.0.0.1:8000", f"127.0.0.1:{demo.port}")


def curl_commands(demo: Demo) -> list[str]:
    joined = code_of("sh", demo).replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.startswith("curl ")]


def run_in_shell(command: str, token: str) -> str:
    run = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        env=os.environ | {"REALTIME_TOKEN": token},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


def first_lines(command: list[str], token: str, wanted: str) -> list[str]:
    """What `command` prints, up to the line that has `wanted`."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"REALTIME_TOKEN": token, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    # Ends the loop below when the line never comes.
    clock = threading.Timer(DEADLINE_SECONDS, process.kill)
    clock.start()
    lines = []
    assert process.stdout
    with process.stdout as output:
        for line in output:
            lines.append(line)
            if wanted in line:
                break
        process.kill()
    clock.cancel()
    process.wait()
    return lines


@needs_curl
def test_curl_gets_a_token_that_reads_positions_and_events(demo: Demo, token: str) -> None:
    issue, positions, events = curl_commands(demo)
    issued = json.loads(run_in_shell(issue, token))["token"]
    for key in (token, issued):
        assert "results" in json.loads(run_in_shell(positions, key))
        page = json.loads(run_in_shell(events, key))
        assert page["results"][0]["seq"] == 1


def test_python_example_prints_the_stream(demo: Demo, token: str, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(code_of("python", demo), encoding="utf-8")
    lines = first_lines([sys.executable, str(script)], token, "position_update ")
    assert [line.split()[0] for line in lines[:2]] == ["connection_established", "snapshot"]
    assert "position_id" in lines[-1]


def test_terminal_example_prints_the_stream(demo: Demo, token: str) -> None:
    (line,) = re.findall(r"python (-m realtime\.client \S+)", code_of("sh", demo))
    lines = first_lines([sys.executable, *line.split()], token, '"position_update","timestamp"')
    assert '"connection_established"' in lines[0]


def test_javascript_example_offers_what_the_server_takes(demo: Demo, token: str) -> None:
    found = re.search(
        r'new WebSocket\("(?P<url>[^"]+)", \["(?P<name>[^"]+)", "(?P<prefix>[^"]+)" \+ token\]\)',
        code_of("js", demo),
    )
    assert found
    offered = [found["name"], found["prefix"] + token]
    with connect(found["url"], subprotocols=offered, max_size=None) as socket:
        assert socket.subprotocol == "realtime.v1"
        assert json.loads(socket.recv(DEADLINE_SECONDS))["type"] == "connection_established"
        while True:
            message = json.loads(socket.recv(DEADLINE_SECONDS))
            if message["type"] == "position_update":
                break
    assert {"action", "data"} <= message.keys()
