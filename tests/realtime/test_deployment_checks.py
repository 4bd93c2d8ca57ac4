"""What works on one machine and fails in production is refused, and the remedy named."""

from __future__ import annotations

import importlib

import pytest
from pytest_django import Settings

from realtime import deployment_checks, routing
from realtime.deployment_checks import CannotServe, check_deployment, refuse_to_serve

REDIS_LAYER = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer"}
MEMORY_LAYER = {"BACKEND": "channels.layers.InMemoryChannelLayer"}


@pytest.fixture
def several_hosts(settings: Settings) -> None:
    settings.REALTIME_HOSTS = 2


def use(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, *, sqlite: bool, layer: dict[str, str]
) -> None:
    for module in ("realtime.deployment_checks", "realtime.layer"):
        monkeypatch.setattr(f"{module}.numbers_on_append", lambda: sqlite)
    settings.CHANNEL_LAYERS = {"default": layer}


def ids() -> list[str | None]:
    return [message.id for message in check_deployment(None)]


def test_one_host_may_have_either_database_and_no_layer(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    for sqlite in (True, False):
        use(monkeypatch, settings, sqlite=sqlite, layer=MEMORY_LAYER)
        assert ids() == []


@pytest.mark.usefixtures("several_hosts")
def test_several_hosts_need_a_database_that_they_share(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    use(monkeypatch, settings, sqlite=True, layer=REDIS_LAYER)
    (message,) = check_deployment(None)
    assert message.id == "realtime.E008"
    assert "REALTIME_HOSTS is 2" in message.msg
    assert "SQLite" in message.msg
    assert "DATABASE_URL" in (message.hint or "")


@pytest.mark.usefixtures("several_hosts")
def test_several_hosts_need_a_layer_that_they_share(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    use(monkeypatch, settings, sqlite=False, layer=MEMORY_LAYER)
    (message,) = check_deployment(None)
    assert message.id == "realtime.E009"
    assert "in memory" in message.msg
    assert "REDIS_URL" in (message.hint or "")
    use(monkeypatch, settings, sqlite=False, layer=REDIS_LAYER)
    assert ids() == []


@pytest.mark.usefixtures("several_hosts")
def test_database_that_is_none_is_another_checks_matter(settings: Settings) -> None:
    settings.REALTIME_DATABASE = "elsewhere"
    assert ids() == []


def test_everybody_may_read_everything_only_in_debug_mode(settings: Settings) -> None:
    settings.REALTIME_ALLOW_ANONYMOUS = True
    settings.DEBUG = True
    assert ids() == []
    settings.DEBUG = False
    (message,) = check_deployment(None)
    assert message.id == "realtime.E010"
    assert "REALTIME_ALLOW_ANONYMOUS" in message.msg
    assert "position_update" in (message.hint or "")
    assert "REALTIME_ANONYMOUS_FEEDS" in (message.hint or "")
    settings.REALTIME_ANONYMOUS_FEEDS = ("risk_status_update",)
    assert ids() == []


def test_server_refuses_what_the_checks_refuse(settings: Settings) -> None:
    refuse_to_serve()
    settings.DEBUG = False
    settings.REALTIME_ALLOW_ANONYMOUS = True
    with pytest.raises(CannotServe, match=r"REALTIME_ALLOW_ANONYMOUS .* REALTIME_ANONYMOUS_FEEDS"):
        refuse_to_serve()


def test_every_server_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever it is, it imports where the WebSocket is."""
    asked: list[bool] = []
    monkeypatch.setattr(deployment_checks, "refuse_to_serve", lambda: asked.append(True))
    importlib.reload(routing)
    assert asked == [True]
