"""`make demo`: one clear line when it cannot run, an account on loopback only, a clean stop."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from project import demo, demo_account, ports
from project.parts import RunError
from tests.project.running import DEADLINE_SECONDS, ROOT, Demo, free_port


@pytest.fixture
def running_demo(tmp_path: Path) -> Iterator[Demo]:
    started = Demo(tmp_path, free_port())
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.terminate()
            started.process.wait(DEADLINE_SECONDS)


def test_port_is_taken_from_the_environment() -> None:
    assert ports.port_from("", command="make demo") == 8000
    assert ports.port_from("8001", command="make demo") == 8001


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "80.5", "²"])
def test_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RunError, match=f"PORT={text} is not a port"):
        ports.port_from(text, command="make demo")


def test_taken_port_is_said_in_one_line_with_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        started = Demo(tmp_path, port)
        assert started.process.wait(DEADLINE_SECONDS) == 1
    assert started.output == (
        f"demo: port {port} on 127.0.0.1 is taken. Stop what uses it, or use another: "
        f"PORT={port + 1} make demo\n"
    )


def test_unreachable_database_is_said_in_one_line(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "project.demo"],
        cwd=ROOT,
        env=os.environ
        | {"DATABASE_URL": f"sqlite:///{tmp_path}/no/such/folder.db", "PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr == "demo: the database cannot be used: unable to open database file\n"


@pytest.mark.django_db
def test_account_is_made_on_loopback_in_debug() -> None:
    user = demo_account.demo_user(host="127.0.0.1", debug=True)
    assert user.is_superuser
    assert user.is_staff
    assert user.check_password("demo")


@pytest.mark.django_db
@pytest.mark.parametrize(("host", "debug"), [("0.0.0.0", True), ("127.0.0.1", False)])
def test_account_is_not_made_anywhere_else(host: str, debug: bool) -> None:
    with pytest.raises(RunError, match="only on loopback with DEBUG=1"):
        demo_account.demo_user(host=host, debug=debug)
    assert not User.objects.exists()


@pytest.mark.django_db
def test_account_that_exists_keeps_its_password() -> None:
    user = User.objects.create_user("demo", password="of my own")
    assert demo_account.demo_user(host="127.0.0.1", debug=True) == user
    user.refresh_from_db()
    assert user.check_password("of my own")


@pytest.mark.django_db
def test_each_demo_replaces_the_token_of_the_one_before() -> None:
    from realtime.models import ApiToken

    user = demo_account.demo_user(host="127.0.0.1", debug=True)
    assert demo_account.issue_token(user, name="a demo") != demo_account.issue_token(
        user, name="a demo"
    )
    assert ApiToken.objects.filter(user=user).count() == 1


@pytest.mark.django_db
def test_database_with_a_real_book_is_refused() -> None:
    from trading.services import record_equity

    demo.refuse_real_rows()
    record_equity(account="default", total_equity="1000")
    with pytest.raises(RunError, match="not simulated"):
        demo.refuse_real_rows()


async def stream_until_an_event(url: str, token: str) -> list[str]:
    """The types of what comes, up to the first event."""
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "realtime.client", url),
        cwd=ROOT,
        env=os.environ | {"REALTIME_TOKEN": token},
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    assert client.stdout
    types: list[str] = []
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not types or not types[-1].endswith("_update"):
                line = await client.stdout.readline()
                assert line, types
                types += re.findall(r'^\{"type": ?"(\w+)"', line.decode())
    finally:
        client.terminate()
        await client.wait()
    return types


async def test_demo_prints_a_way_in_and_stops_cleanly(running_demo: Demo) -> None:
    token = running_demo.wait_for_output(r"Token +(\w+)")[1]
    base = f"127.0.0.1:{running_demo.port}"
    for expected in (f"http://{base}/", "demo / demo", f"REALTIME_TOKEN={token} "):
        running_demo.wait_for_output(re.escape(expected))
    assert (await stream_until_an_event(f"ws://{base}/ws", token))[:2] == [
        "connection_established",
        "snapshot",
    ]
    children = running_demo.children()
    assert len(children) == 2
    running_demo.process.send_signal(signal.SIGINT)
    assert running_demo.process.wait(DEADLINE_SECONDS) == 0
    assert running_demo.output.endswith("demo: stopped.\n")
    assert "Traceback" not in running_demo.output
    assert not any(Path(f"/proc/{pid}").exists() for pid in children.values())


@pytest.mark.parametrize("word", ["realtime.daphne", "simulate"])
def test_part_that_dies_is_named_and_ends_the_other(running_demo: Demo, word: str) -> None:
    name = {"realtime.daphne": "the server", "simulate": "the simulated trader"}[word]
    running_demo.wait_for_output("Ctrl-C stops everything")
    children = running_demo.children()
    os.kill(running_demo.child(word), signal.SIGKILL)
    assert running_demo.process.wait(DEADLINE_SECONDS) == 1
    assert f"demo: {name} ended (killed by SIGKILL)" in running_demo.output
    assert not any(Path(f"/proc/{pid}").exists() for pid in children.values())


def test_second_demo_goes_on_with_the_same_database(tmp_path: Path) -> None:
    port = free_port()
    for _ in range(2):
        started = Demo(tmp_path, port)
        started.wait_for_output("Ctrl-C stops everything")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=10) as answer:
            assert answer.status == 200
        started.process.terminate()
        assert started.process.wait(DEADLINE_SECONDS) == 0, started.output
        started.log.unlink()
