"""What operators ask over HTTP: is it well, does it run, what is it."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from realtime import __version__, health, hub, log, relay
from realtime.health import LEAST_FREE_BYTES, check_health
from tests.realtime.people import make_user


@pytest.fixture(autouse=True)
def _quiet_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has served nobody yet and has no shared layer."""
    monkeypatch.setattr(relay, "current", lambda: None)
    monkeypatch.setattr(hub, "current", lambda: None)
    monkeypatch.setattr(health, "layer_is_shared", lambda: False)


def running(**changes: Any) -> SimpleNamespace:
    values = {"error": None, "delayed_seconds": 0.0, "publisher": None}
    return SimpleNamespace(**values | changes)


@pytest.mark.django_db
def test_fresh_process_is_healthy(client: Client) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["active_connections"]) == ("healthy", 0)
    assert body["timestamp"].endswith("Z")
    assert body["version"] == __version__
    assert set(body["parts"]) == {"database", "relay"}
    assert body["parts"]["database"]["head"] == log.position().head


def test_database_that_is_down_is_a_503(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OperationalError("no route to host")

    monkeypatch.setattr(log, "position", fail)
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


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("running_relay", "serving", "status"),
    [
        (running(), object(), "ok"),
        (running(), None, "ok"),
        (None, object(), "error"),
        (running(error="OperationalError: gone", delayed_seconds=12.34), object(), "error"),
    ],
)
def test_relay_is_well_when_it_reads(
    monkeypatch: pytest.MonkeyPatch, running_relay: Any, serving: Any, status: str
) -> None:
    monkeypatch.setattr(relay, "current", lambda: running_relay)
    monkeypatch.setattr(hub, "current", lambda: serving)
    parts, is_healthy = check_health()
    assert parts["relay"]["status"] == status
    assert is_healthy is (status == "ok")
    if status == "error":
        assert parts["relay"]["message"]


@pytest.mark.django_db
def test_delay_of_the_relay_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "current", lambda: running(error="x", delayed_seconds=12.34))
    assert check_health()[0]["relay"]["delayed_seconds"] == 12.3


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("running_relay", "status"),
    [
        (None, "ok"),
        (running(publisher=SimpleNamespace(error=None)), "ok"),
        (running(publisher=SimpleNamespace(error="TimeoutError")), "error"),
    ],
)
def test_shared_layer_is_a_part(
    monkeypatch: pytest.MonkeyPatch, running_relay: Any, status: str
) -> None:
    monkeypatch.setattr(health, "layer_is_shared", lambda: True)
    monkeypatch.setattr(relay, "current", lambda: running_relay)
    parts, is_healthy = check_health()
    assert parts["channel_layer"]["status"] == status
    assert is_healthy is (status == "ok")


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
