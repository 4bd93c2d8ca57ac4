"""The notes example runs on `realtime` alone: its forms, commands and sockets, as a real server."""

from __future__ import annotations

import http.cookiejar
import json
import re
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.examples.site import Site
from tests.project.running import DEADLINE_SECONDS, ROOT

USERS = ("ann", "bob")
PASSWORD = "a password for tests"
MAKE_USERS = f"""
from django.contrib.auth.models import User
for name in {USERS}:
    User.objects.create_user(name, password={PASSWORD!r})
"""
SAY_WHAT_IS_IMPORTED = """
import sys
import config.asgi
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


class Browser:
    """Somebody at the page, without JavaScript; `socket` is what the page's script would open."""

    def __init__(self, site: Site, user: str) -> None:
        self.origin = f"http://127.0.0.1:{site.port}"
        self._cookies = http.cookiejar.CookieJar()
        processor = urllib.request.HTTPCookieProcessor(self._cookies)
        self._opener = urllib.request.build_opener(processor)
        self.get("/login/")
        self.post("/login/", username=user, password=PASSWORD)

    def get(self, path: str) -> str:
        with self._opener.open(self.origin + path) as response:
            return str(response.read().decode())

    def post(self, path: str, **fields: str) -> str:
        tokens = [cookie.value for cookie in self._cookies if cookie.name == "csrftoken"]
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": tokens[0], **fields}).encode()
        with self._opener.open(self.origin + path, data=body) as response:
            return str(response.read().decode())

    def socket(self, **parameters: Any) -> ClientConnection:
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)
        query = urllib.parse.urlencode({"feeds": "note", **parameters})
        return connect(
            f"{self.origin.replace('http', 'ws')}/ws?{query}",
            origin=self.origin,
            additional_headers={"Cookie": cookies},
        )


def receive(socket: ClientConnection) -> dict[str, Any]:
    """The next message that is no heartbeat."""
    while True:
        message: dict[str, Any] = json.loads(socket.recv(DEADLINE_SECONDS))
        if message["type"] != "heartbeat":
            return message


def begin(socket: ClientConnection) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The greeting, and the notes of the snapshot after it."""
    greeting, snapshot = receive(socket), receive(socket)
    assert (greeting["type"], snapshot["type"]) == ("connection_established", "snapshot")
    return greeting, snapshot["data"]["note"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("notes"))
    made.manage("migrate", "--verbosity", "0")
    made.manage("shell", "-c", MAKE_USERS)
    with made.served():
        yield made


@pytest.fixture
def ann(site: Site) -> Browser:
    return Browser(site, "ann")


@pytest.fixture
def bob(site: Site) -> Browser:
    return Browser(site, "bob")


def test_forms_and_commands_reach_their_owner_and_nobody_else(
    site: Site, ann: Browser, bob: Browser
) -> None:
    with ann.socket() as anns, bob.socket() as bobs:
        begin(anns)
        begin(bobs)

        ann.post("/", title="Milk", text="two bottles")
        created = receive(anns)
        assert (created["type"], created["action"]) == ("note", "created")
        assert created["data"]["title"] == "Milk"
        pk = created["data"]["id"]

        ann.post(f"/{pk}/", do="save", title="Oat milk", text="two bottles")
        changed = receive(anns)
        assert (changed["action"], changed["data"]["title"]) == ("updated", "Oat milk")

        ann.post(f"/{pk}/", do="done")
        ticked = receive(anns)
        assert (ticked["action"], ticked["data"]["done"]) == ("closed", True)

        query = f"from notes.models import Note; Note.objects.filter(pk={pk})"
        site.manage("shell", "-c", f"{query}.update(done=False, text='one')")
        reopened = receive(anns)
        assert (reopened["action"], reopened["data"]["text"]) == ("updated", "one")

        ann.post(f"/{pk}/", do="delete")
        assert receive(anns)["action"] == "deleted"

        # Whatever Bob was sent of Ann's would have come before his own.
        bob.post("/", title="Bread")
        assert receive(bobs)["data"]["title"] == "Bread"


def test_client_that_comes_back_gets_what_it_missed(ann: Browser) -> None:
    with ann.socket() as socket:
        greeting, _ = begin(socket)
        ann.post("/", title="Seen")
        seen = receive(socket)
    ann.post("/", title="Missed")
    position = {"stream": greeting["stream"], "since": seen["seq"]}
    with ann.socket(subscription=greeting["subscription"], **position) as socket:
        assert receive(socket)["resume"] == "replay"
        assert receive(socket)["data"]["title"] == "Missed"


def test_note_that_no_longer_matches_a_filter_leaves(ann: Browser) -> None:
    with ann.socket(title="Tea") as socket:
        begin(socket)
        ann.post("/", title="Tea")
        pk = receive(socket)["data"]["id"]
        ann.post(f"/{pk}/", do="save", title="Coffee")
        left = receive(socket)
    assert (left["action"], left["data"]) == ("left", {"id": pk})


def test_snapshot_is_what_the_page_shows_without_javascript(ann: Browser, bob: Browser) -> None:
    ann.post("/", title="On the <page>")
    with ann.socket() as socket:
        _, notes = begin(socket)
    page = ann.get("/")
    shown = re.findall(r'<li id="note-(\d+)">', page)
    assert {int(pk) for pk in shown} == {note["id"] for note in notes}
    assert 'value="On the &lt;page&gt;"' in page
    assert "On the" not in bob.get("/")


def test_notes_of_somebody_else_cannot_be_changed(ann: Browser, bob: Browser) -> None:
    with ann.socket() as socket:
        begin(socket)
        ann.post("/", title="Mine")
        pk = receive(socket)["data"]["id"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        bob.post(f"/{pk}/", do="delete")


def test_stranger_gets_nothing(site: Site) -> None:
    with connect(f"ws://127.0.0.1:{site.port}/ws") as socket:
        refusal = receive(socket)
    assert (refusal["code"], refusal["fatal"]) == ("authentication_required", True)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://127.0.0.1:{site.port}/api/events/?since=0")


def test_other_paths_are_refused_without_an_error(site: Site) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws://127.0.0.1:{site.port}/elsewhere")
    assert "Traceback" not in site.log.read_text(encoding="utf-8")


def test_token_opens_the_stream_and_rest(site: Site) -> None:
    token = site.manage("create_token", "ann").strip()
    headers = {"Authorization": f"Token {token}"}
    with connect(f"ws://127.0.0.1:{site.port}/ws", additional_headers=headers) as socket:
        greeting, _ = begin(socket)
    assert (greeting["user"], greeting["feeds"]) == ("ann", ["note"])
    assert greeting["message"] == "Connected to Notes WebSocket server"
    url = f"http://127.0.0.1:{site.port}/api/events/?since=0"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
        assert json.load(response)["stream"] == greeting["stream"]


def test_nothing_of_trading_or_of_its_site_is_imported(site: Site) -> None:
    # They could be: the whole repository is on the path here.
    imported = site.python("-c", SAY_WHAT_IS_IMPORTED, PYTHONPATH=str(ROOT)).split()
    assert {"realtime", "notes"} <= set(imported)
    assert not {"trading", "project"} & set(imported)


def test_database_has_its_own_tables_and_those_of_realtime_alone(site: Site) -> None:
    database = sqlite3.connect(site.folder / "notes.sqlite3")
    rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    database.close()
    tables = {name for (name,) in rows if not name.startswith(("django_", "auth_", "sqlite_"))}
    assert tables == {
        *("notes_note", "realtime_apitoken", "realtime_event", "realtime_stream"),
        *("realtime_connectionsquestion", "realtime_disconnection", "realtime_serverprocess"),
    }


def test_migrations_are_complete_and_checks_pass(site: Site) -> None:
    assert "No changes detected" in site.manage("makemigrations", "--check")
    assert "no issues" in site.manage("check")
