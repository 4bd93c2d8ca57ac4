"""`/health` and `/metrics` while PostgreSQL or Redis is frozen or gone, and afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import COMMITTED, Client
from tests.e2e.support.databases import IS_POSTGRESQL
from tests.e2e.support.followers import Follower
from tests.e2e.support.processes import DEADLINE_SECONDS
from tests.e2e.support.proxies import FreezingProxy
from tests.e2e.support.redis import IS_INSTALLED, Redis
from tests.e2e.support.servers import LOOK_EVERY_SECONDS, Server

pytestmark = [
    pytest.mark.services,
    pytest.mark.faults,
    pytest.mark.skipif(not IS_POSTGRESQL, reason="needs PostgreSQL: set DATABASE_URL"),
]

POSTGRESQL_PORT = 5432
QUESTIONS = 10
# The probe's own connection, and one that the relay, giving up, may try in its place.
FURTHER_CONNECTIONS = 2


class Scene:
    """A server whose database can be frozen; others reach the database past the proxy."""

    def __init__(self, start_server: StartServer, beside: Server) -> None:
        self.beside = beside
        parts = urlsplit(self.beside.database.url)
        self.proxy = FreezingProxy(parts.port or POSTGRESQL_PORT)
        user = parts.netloc.rpartition("@")[0]
        netloc = f"{user}@127.0.0.1:{self.proxy.port}" if user else f"127.0.0.1:{self.proxy.port}"
        url = parts._replace(netloc=netloc).geturl()
        # The risk watcher makes connections of its own, which are not counted here.
        self.server: Server = start_server(
            beside=self.beside, DATABASE_URL=url, RISK_WATCH_SECONDS="0"
        )

    def becomes(self, status: int) -> None:
        becomes(self.server, status)

    def metric(self, name: str) -> float:
        return metric(self.server, name)


def becomes(server: Server, status: int) -> None:
    """Wait until `/health` answers with `status`."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (answer := server.fetch("/health")).status != status:
        assert time.monotonic() < deadline, answer.body
        time.sleep(LOOK_EVERY_SECONDS)


def metric(server: Server, name: str) -> float:
    """The value of a metric that has no labels."""
    answer = server.fetch("/metrics")
    assert answer.status == 200, answer.body
    samples = [
        sample
        for family in text_string_to_metric_families(answer.body)
        for sample in family.samples
        if sample.name == name
    ]
    (sample,) = samples
    return sample.value


@pytest.fixture(scope="module")
def beside(start_server: StartServer) -> Server:
    return start_server()


@pytest.fixture
def scene(start_server: StartServer, beside: Server) -> Iterator[Scene]:
    with ExitStack() as stack:
        made = Scene(start_server, beside)
        stack.callback(made.proxy.close)
        stack.callback(made.server.stop)
        stack.callback(made.proxy.thaw)
        yield made


def ask_while_frozen(scene: Scene) -> None:
    """Nothing hangs and nothing piles up, however often it is asked."""
    accepted, threads = scene.proxy.accepted, scene.metric("realtime_threads")
    for _ in range(QUESTIONS):
        answer = scene.server.fetch("/health")
        assert answer.status == 503
        assert answer.json["status"] == "unhealthy"
        assert answer.json["parts"]["database"]["status"] == "error"
        assert scene.metric("realtime_database_up") == 0
    assert scene.proxy.accepted <= accepted + FURTHER_CONNECTIONS
    # The threads of single requests come and go.
    assert scene.metric("realtime_threads") <= threads + FURTHER_CONNECTIONS


async def test_frozen_database_is_told_while_clients_are_served(scene: Scene) -> None:
    follower = Follower(scene.server)
    await follower.connect()
    scene.becomes(200)
    scene.proxy.freeze()
    scene.becomes(503)
    ask_while_frozen(scene)
    assert scene.metric("realtime_connections") == 1
    scene.beside.desk.publish_log("while the database is frozen for one server")
    # Its clients are told that nothing comes.
    while not (await follower.receive()).get("delayed"):
        pass
    assert scene.metric("realtime_relay_lag_seconds") > 1
    scene.proxy.thaw()
    scene.becomes(200)
    await follower.follow_to(int(scene.beside.database.row(COMMITTED)["seq"]))
    assert follower.resyncs == 0
    await follower.close()
    assert scene.metric("realtime_database_up") == 1


def test_frozen_database_is_told_by_a_server_that_serves_nobody(scene: Scene) -> None:
    scene.becomes(200)
    scene.proxy.freeze()
    scene.becomes(503)
    ask_while_frozen(scene)
    scene.proxy.thaw()
    scene.becomes(200)


def test_health_of_a_server_without_clients_costs_one_connection(scene: Scene) -> None:
    scene.becomes(200)
    accepted = scene.proxy.accepted
    for _ in range(QUESTIONS):
        assert scene.server.fetch("/health").status == 200
    assert scene.proxy.accepted == accepted


@pytest.mark.skipif(not IS_INSTALLED, reason="needs the program redis-server")
async def test_redis_that_is_gone_is_told_by_a_server_that_only_receives(
    start_server: StartServer,
) -> None:
    redis = Redis()
    redis.start()
    server: Server = start_server(REDIS_URL=redis.url)
    try:
        async with await Client.connect(server) as client:
            await client.receive_type("snapshot")
            becomes(server, 200)
            assert metric(server, "realtime_channel_layer_up") == 1
            redis.kill()
            becomes(server, 503)
            part = server.fetch("/health").json["parts"]["channel_layer"]
            assert part["status"] == "error"
            assert metric(server, "realtime_channel_layer_up") == 0
            redis.start()
            becomes(server, 200)
            assert metric(server, "realtime_channel_layer_up") == 1
    finally:
        server.stop()
        redis.kill()
    # One line when it goes and one when it is back; no traceback each second.
    log = server.log
    assert log.count("does not take events") == log.count("takes events again") == 1, log
    assert "Traceback" not in log
    assert "channels_redis" not in log
