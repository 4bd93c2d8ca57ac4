"""`/metrics` of a real server: what it counted is what its clients got, and promtool accepts it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import COMMITTED, catch_up
from tests.e2e.support.followers import Follower
from tests.e2e.support.processes import DEADLINE_SECONDS
from tests.e2e.support.servers import Server
from tests.realtime.metrics.scrapes import Scrape

LINES = 7
TOKEN = "a-token-for-the-metrics-of-a-test"
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "for-this-test-alone-" * 4,
    "ALLOWED_HOSTS": "desk.example,127.0.0.1",
    "REALTIME_METRICS_TOKEN": TOKEN,
}


def scrape(server: Server) -> Scrape:
    answer = server.fetch("/metrics")
    assert answer.status == 200, answer.body
    return Scrape(answer.body)


async def test_scrape_counts_what_clients_got(start_server: StartServer) -> None:
    server: Server = start_server()
    await catch_up(server)
    before = scrape(server)
    followers = [Follower(server), Follower(server)]
    for follower in followers:
        await follower.connect()
    for number in range(LINES):
        server.desk.publish_log(f"line {number}")
    for follower in followers:
        await follower.follow_to(int(server.database.row(COMMITTED)["seq"]))
    now = scrape(server)
    assert now("connections") == 2
    assert now("connections_opened_total") - before("connections_opened_total") == 2
    sent = now("events_sent_total", feed="system_log") - before(
        "events_sent_total", feed="system_log"
    )
    assert sent == sum(len(follower.events) for follower in followers) == 2 * LINES
    assert now("bytes_sent_total", feed="system_log") > 100 * sent
    observed = now("commit_to_send_seconds_count") - before("commit_to_send_seconds_count")
    assert observed == LINES
    assert now("commit_to_send_seconds_sum") > 0
    up = ("database_up", "relay_up", "channel_layer_up")
    assert [now(name) for name in up] == [1, 1, 1]
    assert (now("unnumbered_events"), now("hub_lag_events")) == (0, 0)
    for follower in followers:
        await follower.close()


def test_production_asks_for_the_token_and_needs_no_proxy(start_server: StartServer) -> None:
    server: Server = start_server(**PRODUCTION)
    refused = server.fetch("/metrics")
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    answer = server.fetch("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    # Plain HTTP, past the proxy: no redirect to HTTPS.
    assert answer.status == 200
    assert TOKEN not in server.log
    assert TOKEN not in answer.body


@pytest.mark.services
@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool: Debian's package prometheus"
)
def test_promtool_finds_nothing_to_complain_of(server: Server) -> None:
    text = server.fetch("/metrics").body
    run = subprocess.run(
        ["promtool", "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert (run.returncode, run.stdout + run.stderr) == (0, "")
