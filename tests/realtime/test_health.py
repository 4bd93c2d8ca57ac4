"""What operators ask over HTTP: is it well, does it run, what is it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from realtime import __version__, health, hub, log, probing, relay, vitals
from realtime.health import LEAST_FREE_BYTES, check_health
from realtime.system_log import publish_log
from realtime.vitals import Vitals
from tests.realtime.fakes import FakeClock
from tests.realtime.people import make_user


@pytest.fixture(autouse=True)
def _quiet_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that has served nobody yet and has no shared layer."""
    monkeypatch.setattr(relay, "current", lambda: None)
    monkeypatch.setattr(hub, "current", lambda: None)
    monkeypatch.setattr(health, "layer_is_shared", lambda: False)
    made = probing.DatabaseProbe()
    monkeypatch.setattr(probing, "probe", made)
    yield
    made.stop()


class FakeRelay:
    """A relay as health sees it, with its real vitals on a clock that is set by hand."""

    def __init__(self, publisher: Any = None) -> None:
        self.clock = FakeClock()
        self.vitals = Vitals(clock=self.clock)
        self.publisher = publisher
        self.lag_seconds = 0.0

    def has_looked_within(self, seconds: float) -> bool:
        return self.vitals.has_looked_within(seconds)


def fake_hub(**changes: Any) -> SimpleNamespace:
    values = {
        "position": ("9f2c", 7),
        "is_loaded": True,
        "age_seconds": 0.0,
        "connection_count": 3,
        "lag_events": 0,
        "loop_lag": SimpleNamespace(seconds=0.0),
    }
    return SimpleNamespace(**values | changes)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> FakeRelay:
    """A process that serves: its relay has just read the log."""
    made = FakeRelay()
    made.vitals.head = 7
    made.vitals.end_look()
    monkeypatch.setattr(relay, "current", lambda: made)
    monkeypatch.setattr(hub, "current", fake_hub)
    return made


@pytest.mark.django_db(transaction=True)
def test_fresh_process_is_healthy(client: Client) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["active_connections"]) == ("healthy", 0)
    assert body["timestamp"].endswith("Z")
    assert body["version"] == __version__
    assert set(body["parts"]) == {"database", "relay", "log_handler"}


@pytest.mark.django_db(transaction=True)
def test_process_without_a_relay_asks_where_the_stream_stands(client: Client) -> None:
    publish_log(level="INFO", message="the first", module="test")
    found = log.position()
    database = client.get("/health").json()["parts"]["database"]
    assert (database["stream"], database["head"]) == (found.identity, found.head)


def test_database_that_is_down_is_a_503(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OperationalError("no route to host")

    monkeypatch.setattr(probing, "guard_connection", fail)
    answer = client.get("/health")
    assert answer.status_code == 503
    body = answer.json()
    assert body["status"] == "unhealthy"
    assert body["parts"]["database"] == {
        "status": "error",
        "message": "OperationalError: no route to host",
    }


@pytest.mark.django_db
@pytest.mark.parametrize("free", [LEAST_FREE_BYTES - 1, LEAST_FREE_BYTES])
def test_full_disk_is_a_503(client: Client, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    answer = client.get("/health")
    # PostgreSQL's disk may be another machine's.
    if free >= LEAST_FREE_BYTES or connection.vendor != "sqlite":
        assert answer.status_code == 200
        return
    assert answer.status_code == 503
    message = answer.json()["parts"]["database"]["message"]
    assert message.startswith(f"The disk is full: {free} bytes are left.")


def test_database_is_not_asked_when_the_relay_has_just_read_it(
    running: FakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "probe", None)
    parts, is_healthy = check_health()
    assert is_healthy
    assert parts["database"] == {"status": "ok", "stream": "9f2c", "head": 7, "age_seconds": 0.0}
    assert parts["hub"]["connections"] == 3


def test_relay_that_has_not_looked_for_a_second_proves_nothing(
    running: FakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = SimpleNamespace(ask=lambda timeout_seconds: probing.Answer(0.0, 2.0, error="silent"))
    monkeypatch.setattr(probing, "probe", silent)
    running.vitals.begin_look()
    running.clock.pass_seconds(0.95)
    parts, is_healthy = check_health()
    assert not is_healthy
    assert parts["database"] == {"status": "error", "message": "silent"}
    # It may still come to an end.
    assert parts["relay"]["status"] == "ok"
    running.clock.pass_seconds(vitals.STUCK_SECONDS)
    assert check_health()[0]["relay"]["status"] == "error"


def test_relay_that_fails_says_why_and_for_how_long(running: FakeRelay) -> None:
    running.vitals.fail(OperationalError("gone"))
    running.clock.pass_seconds(12.34)
    running.vitals.fail(OperationalError("still gone"))
    part = check_health()[0]["relay"]
    assert part == {
        "status": "error",
        "message": "OperationalError: still gone",
        "delayed_seconds": 12.3,
    }
    running.vitals.end_look()
    assert check_health()[0]["relay"]["status"] == "ok"


def test_server_without_its_relay_is_not_well(
    running: FakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "current", lambda: None)
    part = check_health()[0]["relay"]
    assert part["status"] == "error"
    assert "Restart" in part["message"]


@pytest.mark.parametrize(("age_seconds", "status"), [(1.0, "ok"), (60.0, "error")])
def test_hub_that_does_not_load_lets_nobody_in(
    running: FakeRelay, monkeypatch: pytest.MonkeyPatch, age_seconds: float, status: str
) -> None:
    young = fake_hub(is_loaded=False, age_seconds=age_seconds)
    monkeypatch.setattr(hub, "current", lambda: young)
    parts, is_healthy = check_health()
    assert parts["hub"]["status"] == status
    assert is_healthy is (status == "ok")


@pytest.mark.parametrize(
    ("publisher", "status"),
    [
        (None, "ok"),
        (SimpleNamespace(error=None, dropped_batches=0), "ok"),
        (SimpleNamespace(error="TimeoutError", dropped_batches=2), "error"),
    ],
)
def test_shared_layer_is_a_part(
    running: FakeRelay, monkeypatch: pytest.MonkeyPatch, publisher: Any, status: str
) -> None:
    monkeypatch.setattr(health, "layer_is_shared", lambda: True)
    running.publisher = publisher
    parts, is_healthy = check_health()
    assert parts["channel_layer"]["status"] == status
    assert is_healthy is (status == "ok")


def test_app_adds_a_part_of_its_own(running: FakeRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_registered", {})
    health.register_part("printer", lambda: {"status": "error", "message": "no paper"})
    health.register_part("unused", lambda: None)
    parts, is_healthy = check_health()
    assert parts["printer"]["message"] == "no paper"
    assert "unused" not in parts
    assert not is_healthy


def test_process_that_answers_is_alive(client: Client) -> None:
    answer = client.get("/livez")
    assert answer.status_code == 200
    assert answer.json()["status"] == "alive"


@pytest.mark.parametrize("path", ["/", "/health", "/livez"])
def test_asking_is_all_that_is_allowed(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


def test_root_is_the_services_information(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "current", lambda: SimpleNamespace(connection_count=2))
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.json() == {
        "service": "Stable Cash & Carry",
        "version": __version__,
        "websocket_endpoint": "/ws",
        "active_connections": 2,
    }
    assert "Accept" in answer.headers["Vary"]


@pytest.mark.django_db
def test_browser_gets_the_page_when_its_user_is_signed_in(client: Client) -> None:
    answer = client.get("/", headers={"accept": "text/html,*/*"})
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith("?next=/")
    client.force_login(make_user())
    answer = client.get("/", headers={"accept": "text/html,*/*"})
    assert answer.status_code == 200
    assert "text/html" in answer.headers["Content-Type"]
    assert b"<html" in answer.content
    assert "Cookie" in answer.headers["Vary"]
