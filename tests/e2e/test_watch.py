"""Two servers watch one desk: a silent bot is told once, and each alert goes out once.

Receivers are real: an HTTP server and a mail server in the test's process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import Client
from tests.e2e.support.processes import run_manage
from tests.e2e.support.servers import Server
from tests.trading.alerting.receivers import Mailbox, Webhook, mailbox, webhook
from trading.alerting.webhook import DEADLINE_SECONDS

PATIENCE_SECONDS = 30.0
STALE_SECONDS = 1.0
RISK = {"feeds": "risk_status_update"}


@pytest.fixture(scope="module")
def hook() -> Iterator[Webhook]:
    """The webhook of both servers; its first answer is a failure."""
    with webhook() as kept:
        kept.statuses = [500]
        yield kept


@pytest.fixture(scope="module")
def inbox() -> Iterator[Mailbox]:
    """The mail server of both servers."""
    with mailbox() as kept:
        yield kept


@pytest.fixture(scope="module")
def settings(hook: Webhook, inbox: Mailbox) -> dict[str, str]:
    """What both servers and the commands beside them are told about alerts."""
    return {
        "RISK_WEBHOOK_URL": hook.url,
        "RISK_WEBHOOK_SECRET": "between-us",
        "RISK_ALERT_EMAILS": "desk@example.test",
        "EMAIL_URL": f"smtp://127.0.0.1:{inbox.port}",
    }


@pytest.fixture(scope="module")
def servers(start_server: StartServer, settings: dict[str, str]) -> list[Server]:
    """Two on one database."""
    watching = {
        **settings,
        "RISK_STALE_SECONDS": str(STALE_SECONDS),
        "RISK_WATCH_SECONDS": "0.1",
    }
    first = start_server(**watching)
    return [first, start_server(beside=first, **watching)]


async def await_that(is_so: Callable[[], object]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def risk_where(client: Client, is_so: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The data of the first risk message of which it is so."""
    while True:
        data: dict[str, Any] = (await client.receive_type("risk_status_update"))["data"]
        if is_so(data):
            return data


@asynccontextmanager
async def reading(server: Server) -> AsyncIterator[None]:
    """The bot is back: a reading now and then."""

    async def read() -> None:
        while True:
            server.desk.call("record_equity", total_equity="100001")
            await asyncio.sleep(STALE_SECONDS / 5)

    bot = asyncio.create_task(read())
    yield
    bot.cancel()


def command(server: Server, settings: dict[str, str], action: str, reason: str) -> None:
    """Run `manage.py risk`, which is told about alerts as the servers are."""
    run_manage(server.database.url, "risk", action, "--reason", reason, **settings)


async def test_a_silent_bot_and_decisions_are_told_once_in_secret_and_hold_up_nothing(
    servers: list[Server], settings: dict[str, str], hook: Webhook, inbox: Mailbox
) -> None:
    """One test: each step goes on from where the one before has left the desk and the hook."""
    await a_silent_bot_is_told_once_and_a_decision_at_once(servers, settings, hook, inbox)
    no_log_shows_the_webhook_or_its_secret(servers)
    await a_hook_that_never_answers_holds_up_nothing(servers[0], settings, hook)


async def a_silent_bot_is_told_once_and_a_decision_at_once(
    servers: list[Server], settings: dict[str, str], hook: Webhook, inbox: Mailbox
) -> None:
    first, second = servers
    async with await Client.connect(second, RISK) as client:
        await client.receive_type("snapshot")
        first.desk.call("record_equity", total_equity="100000")
        warned = await risk_where(client, lambda data: data["warning"])
        assert (warned["status"], warned["stale_inputs"]) == ("normal", ["equity"])
        assert warned["warning"].startswith("No equity reading since")

        command(first, settings, "stop", "Fire")
        # The next message of all: the other server has not warned a second time.
        stopped = await risk_where(client, lambda data: True)
        assert (stopped["status"], stopped["message"]) == ("hard_stop", "Fire")
        assert stopped["warning"] == warned["warning"]

        async with reading(first):
            again = await risk_where(client, lambda data: not data["stale_inputs"])
        assert (again["status"], again["warning"]) == ("hard_stop", "")

    kinds = {"stale_inputs", "inputs_again", "hard_stop"}
    await await_that(lambda: {post.json["kind"] for post in hook.posts} >= kinds)
    # The first post was refused, and comes again after its pause.
    refused = hook.posts[0].json
    await await_that(lambda: refused in [post.json for post in hook.posts[1:]])
    keys = [post.json["id"] for post in hook.posts[1:]]
    assert len(set(keys)) == len(keys), "no alert is posted by both servers"
    await await_that(lambda: len(inbox.messages) >= len(kinds))
    mails = [message_from_bytes(each.encode()) for each in inbox.messages]
    assert len({mail["Message-ID"] for mail in mails}) == len(mails)
    assert {mail["Subject"].split(": ")[1] for mail in mails} >= kinds


def no_log_shows_the_webhook_or_its_secret(servers: list[Server]) -> None:
    logs = [server.log for server in servers]
    assert not any(secret in log for log in logs for secret in ("s3cr3t", "between-us"))
    assert any("No equity reading since" in log for log in logs), "the log is told, too"
    assert any("was not sent, try 1: the webhook answered 500" in log for log in logs)


async def a_hook_that_never_answers_holds_up_nothing(
    first: Server, settings: dict[str, str], hook: Webhook
) -> None:
    hook.drips_every = 0.05
    before = len(hook.posts)
    async with await Client.connect(first, RISK) as client:
        await client.receive_type("snapshot")
        command(first, settings, "resume", "Go")
        await risk_where(client, lambda data: data["status"] == "normal")
        await await_that(lambda: len(hook.posts) > before)
        # One of the watchers hangs on the hook; everything else goes on.
        began = time.monotonic()
        first.desk.call("record_equity", total_equity="100002")
        await risk_where(client, lambda data: data["total_equity"] == "100002.00")
        assert first.fetch("/livez").status == 200
        assert time.monotonic() - began < DEADLINE_SECONDS
