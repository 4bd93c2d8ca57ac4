"""`/metrics`: who may read it, and that a scrape has what it should."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from realtime import metrics, scraping
from realtime.conf import InvalidSetting, RealtimeSettings
from tests.realtime.metrics.scrapes import Scrape

TOKEN = "a-token-of-32-characters-or-more"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_programs_of_this_machine_may_read(client: Client, address: str) -> None:
    answer = client.get("/metrics", REMOTE_ADDR=address)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "no-store" in answer.headers["Cache-Control"]
    assert b"realtime_connections 0.0" in answer.content


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1", "", "nonsense"]
)
def test_others_may_not(client: Client, address: str) -> None:
    answer = client.get("/metrics", REMOTE_ADDR=address)
    assert answer.status_code == 403
    assert b"REALTIME_METRICS_TOKEN" in answer.content
    assert b"realtime_" not in answer.content


@pytest.mark.parametrize(
    "header",
    [
        *("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "x-forwarded-anything"),
        *("Forwarded", "X-Real-IP", "Via"),
    ],
)
def test_request_that_came_by_a_proxy_of_this_machine_may_not(client: Client, header: str) -> None:
    answer = client.get("/metrics", headers={header: "127.0.0.1"})
    assert answer.status_code == 403


@pytest.mark.parametrize("forwarded", [{}, {"X-Forwarded-For": "192.0.2.1"}])
def test_token_opens_from_everywhere(
    client: Client, settings: Settings, forwarded: dict[str, str]
) -> None:
    settings.REALTIME_METRICS_TOKEN = TOKEN
    answer = client.get("/metrics", headers={**BEARER, **forwarded}, REMOTE_ADDR="192.0.2.1")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Token {TOKEN}",
        TOKEN,
        "Bearer ",
        "Bearer é",
    ],
)
def test_once_there_is_a_token_this_machine_needs_it_too(
    client: Client, settings: Settings, authorization: str | None
) -> None:
    settings.REALTIME_METRICS_TOKEN = TOKEN
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert TOKEN.encode() not in answer.content
    assert b"realtime_" not in answer.content


def test_token_is_compared_in_constant_time(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REALTIME_METRICS_TOKEN = TOKEN
    compared: list[tuple[bytes, bytes]] = []
    compare = scraping.hmac.compare_digest

    def watch(given: bytes, wanted: bytes) -> bool:
        compared.append((given, wanted))
        return compare(given, wanted)

    monkeypatch.setattr(scraping.hmac, "compare_digest", watch)
    client.get("/metrics", headers={"Authorization": "Bearer wrong"})
    assert compared == [(b"Bearer wrong", f"Bearer {TOKEN}".encode())]


def test_token_that_can_be_guessed_stops_the_start() -> None:
    with pytest.raises(InvalidSetting) as caught:
        RealtimeSettings.read({"REALTIME_METRICS_TOKEN": "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert TOKEN not in repr(RealtimeSettings.read({"REALTIME_METRICS_TOKEN": TOKEN}))


def test_reading_is_all_that_is_allowed(client: Client) -> None:
    assert client.post("/metrics").status_code == 405
    assert client.head("/metrics").status_code == 200


def test_process_is_described_without_counters_ages() -> None:
    names = Scrape().names()
    assert {"process_open_fds", "process_max_fds", "process_resident_memory_bytes"} <= names
    assert {"process_cpu_seconds_total", "python_info", "realtime_threads"} <= names
    assert not [name for name in names if name.endswith("_created")]


def test_registry_is_not_the_sites() -> None:
    from prometheus_client import REGISTRY

    assert metrics.registry is not REGISTRY
    assert not [each.name for each in REGISTRY.collect() if each.name.startswith("realtime_")]
