"""What an operator does in the admin reaches clients within a second, through the real server."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from functools import partial

import pytest

from tests.e2e.support.browsing import Browser, sign_in
from tests.e2e.support.clients import Client, Message, catch_up
from tests.e2e.support.seeding import ADMIN_PASSWORD
from tests.e2e.support.servers import Answer, Server

SOON_SECONDS = 1.0
CLOSE = "/admin/trading/position/close/"


@pytest.fixture(scope="module")
def browser(server: Server) -> Browser:
    """An operator's browser."""
    return sign_in(server, "admin", ADMIN_PASSWORD)


async def event_after(
    server: Server, kind: str, act: Callable[[], Answer], **wanted: str
) -> Message:
    """The first event of that type, its data as `wanted`, that a client gets while `act` runs.

    It comes within a second of the answer.
    """
    await catch_up(server)
    async with await Client.connect(server, {"snapshot": 0, "feeds": kind}) as client:
        await client.receive()
        received = asyncio.create_task(_receive(client, kind, wanted))
        answer = await asyncio.to_thread(act)
        assert answer.status == 302, answer.body
        answered_at = time.monotonic()
        message = await received
        assert time.monotonic() - answered_at < SOON_SECONDS
    return message


async def _receive(client: Client, kind: str, wanted: Mapping[str, str]) -> Message:
    while True:
        message = await client.receive_type(kind)
        if wanted.items() <= message["data"].items():
            return message


async def test_position_closed_by_the_action_is_seen(server: Server, browser: Browser) -> None:
    key = server.desk.call("open_position")
    listed = "/admin/trading/position/?status__exact=open"
    page = browser.post(listed, {"action": "close_positions", "_selected_action": key})
    assert page.status == 200
    assert f'name="{key}-spot_exit_price"' in page.body
    form = {
        "position": key,
        "reason": "Target reached.",
        f"{key}-spot_exit_price": "46000",
        f"{key}-perp_exit_price": "46010.5",
        f"{key}-fees": "0",
    }
    message = await event_after(
        server, "position_update", lambda: browser.post(f"{CLOSE}?position={key}", form)
    )
    assert (message["action"], message["data"]["position_id"]) == ("closed", key)
    assert message["data"]["perp_exit_price"] == "46010.50"
    assert message["data"]["close_reason"] == "Target reached."
    history = browser.get(f"/admin/trading/position/{key}/history/").body
    assert "Target reached." in history
    again = browser.get(f"{CLOSE}?position={key}")
    assert "was closed meanwhile" in again.body


async def test_soft_pause_and_resume_are_seen(server: Server, browser: Browser) -> None:
    for name, status in (("soft-pause", "soft_pause"), ("resume", "normal")):
        path = f"/admin/trading/account/{name}/?account=default"
        form = {"account": "default", "reason": f"Because of {name}."}
        post = partial(browser.post, path, form)
        message = await event_after(server, "risk_status_update", post, status=status)
        assert message["data"]["account"] == "default"
    history = browser.get("/admin/trading/riskstatus/default/history/").body
    assert "Because of soft-pause." in history
    assert "Because of resume." in history


async def test_broadcast_is_seen(server: Server, browser: Browser) -> None:
    form = {"what": "line", "level": "WARNING", "message": "Going home"}
    post = partial(browser.post, "/admin/realtime/event/broadcast/", form)
    message = await event_after(server, "system_log", post, message="Going home")
    assert message["data"]["level"] == "WARNING"


async def test_event_published_again_is_seen(server: Server, browser: Browser) -> None:
    key = server.desk.call("open_position")
    await catch_up(server)
    rows = server.database.rows("SELECT id, key FROM realtime_event ORDER BY id")
    event = [row["id"] for row in rows if row["key"] == key][-1]
    path = f"/admin/realtime/event/{event}/publish-again/"
    message = await event_after(server, "position_update", lambda: browser.post(path, {}))
    assert message["data"]["position_id"] == key
    assert message["event"] > event


async def test_issued_token_opens_until_it_is_revoked(server: Server, browser: Browser) -> None:
    path = "/admin/realtime/apitoken/"
    page = browser.get(f"{path}add/").body
    whose = re.search(r'<option value="(\d+)"[^>]*>operator</option>', page)
    assert whose
    form = {"user": whose[1], "name": "for a while", "expiry_0": "", "expiry_1": ""}
    issued = browser.post(f"{path}add/", form)
    found = re.search(r'<code class="key"[^>]*>(\w+)</code>', issued.body)
    assert found, issued.body
    key = found[1]
    assert server.fetch("/api/positions/", headers={"Authorization": f"Token {key}"}).status == 200
    async with await Client.connect(server, {"token": key}, user=None) as client:
        assert (await client.receive())["user"] == "operator"
    assert key not in browser.header
    assert key not in server.log
    row = next(
        row
        for row in server.database.rows("SELECT * FROM realtime_apitoken")
        if row["name"] == "for a while"
    )
    asked = browser.post(
        path, {"action": "delete_selected", "_selected_action": row["digest"], "post": "yes"}
    )
    assert asked.status == 302
    refused = server.fetch("/api/positions/", headers={"Authorization": f"Token {key}"})
    assert refused.status == 401
    client = await Client.connect(server, {"token": key}, user=None)
    messages, code, _ = await client.receive_until_closed()
    assert (messages[-1]["code"], code) == ("invalid_token", 1008)


def test_form_without_its_token_is_refused(server: Server, browser: Browser) -> None:
    key = server.desk.call("open_position")
    headers = {"Cookie": browser.header, "Content-Type": "application/x-www-form-urlencoded"}
    body = f"position={key}&reason=x&{key}-spot_exit_price=1&{key}-perp_exit_price=1"
    assert server.fetch(CLOSE, method="POST", headers=headers, body=body).status == 403


def test_file_is_sent_whole(server: Server, browser: Browser) -> None:
    key = server.desk.call("open_position")
    answer = browser.get("/admin/trading/position/export/?file=1&since=&until=")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.body.startswith("position_id,account,")
    assert key in answer.body
    assert "Warning" not in server.log
