"""The image's steps, taken in an empty environment: it starts, answers its probe, and stops."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest

from tests.deploy.dockerfiles import Image, build, instructions
from tests.deploy.support import only_with_services, open_folder
from tests.e2e.support.processes import DEADLINE_SECONDS, ROOT
from tests.e2e.support.servers import choose_port

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
SECRET_KEY = "a-secret-of-a-test-that-is-longer-than-fifty-characters"


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with open_folder() as folder:
        yield build(DOCKERFILE, folder)


def as_the_image(image: Image, command: list[str], port: int) -> dict[str, Any]:
    """How `subprocess` runs a command of it, on another port."""
    environ = image.environment | {
        "SECRET_KEY": SECRET_KEY,
        "ALLOWED_HOSTS": "desk.example",
        "DATABASE_URL": f"sqlite:///{image.folder}/none.sqlite3",
    }
    here = [image.here(part).replace("8000", str(port)) for part in command]
    return {"args": here, "cwd": image.workdir, "env": environ}


@pytest.mark.services
@only_with_services
def test_image_starts_answers_its_probe_and_stops(image: Image) -> None:
    port = choose_port()
    files = set(image.workdir.rglob("*"))
    server = subprocess.Popen(**as_the_image(image, image.command, port))
    probe = as_the_image(image, image.health, port)
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while subprocess.run(**probe, capture_output=True, check=False).returncode != 0:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        server.terminate()
        assert server.wait(DEADLINE_SECONDS) == 0
    assert subprocess.run(**probe, capture_output=True, check=False).returncode != 0
    # Its account may not write there, and it does not try.
    assert set(image.workdir.rglob("*")) == files


@pytest.mark.services
@only_with_services
def test_image_has_the_static_files_and_no_secret(image: Image) -> None:
    assert (image.workdir / "staticfiles" / "staticfiles.json").exists()
    assert "SECRET_KEY" not in image.environment
    assert {path.name for path in image.workdir.iterdir()} == {
        *("manage.py", "requirements.txt", "project", "realtime", "trading", "staticfiles"),
    }


def test_image_runs_as_nobody_and_stops_by_the_signal_that_drains() -> None:
    said = dict(instructions(DOCKERFILE))
    assert said["USER"] == "10001:10001"
    assert said["STOPSIGNAL"] == "SIGTERM"
    # Alone it may be reached directly, where a client could name any address.
    assert "--proxy-headers" not in said["CMD"]


def test_what_is_copied_is_sent_to_the_builder_and_nothing_else() -> None:
    sources = {
        text.split()[0]
        for word, text in instructions(DOCKERFILE)
        if word == "COPY" and not text.startswith("--from=")
    }
    lines = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == sources
    assert not any(fnmatch(".env", source) for source in sources)
