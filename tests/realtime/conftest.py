"""What the layer's tests share: feeds of their own, and a look for threads left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from realtime import feeds as feeds_module
from realtime import probing
from realtime.auth.grants import Grants
from realtime.feeds import Feed, register
from realtime.subscriptions import field_values

# The threads that check credentials stay for the next connection, without one of the database.
LASTING_THREADS = "realtime-auth"


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Fail a test that leaves a relay, or any other thread of the layer."""
    before = set(threading.enumerate())
    probe = probing.probe
    yield
    probe.stop()
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    ours = [name for name in left if name.startswith("realtime-")]
    assert [name for name in ours if not name.startswith(LASTING_THREADS)] == []


@pytest.fixture
def own_feeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three feeds in the place of the project's: keyed, without keys, and not for everybody."""
    monkeypatch.setattr(feeds_module, "_feeds", {})

    @register
    class PriceFeed(Feed):
        name = "price"
        key_field = "instrument"
        filter_fields = ("instrument", "venue")
        permission = "market.view_price"

    @register
    class NoticeFeed(Feed):
        name = "notice"
        filter_fields = ("level",)

    @register
    class SecretFeed(Feed):
        name = "secret"
        key_field = "code"
        permission = "market.view_secret"


@pytest.fixture
def grants(own_feeds: None) -> Grants:
    """What an operator may see: prices of two venues, and notices."""
    scope = field_values({"venue": ["north", "south"]})
    return Grants(
        user_name="operator",
        user_key="user:1",
        user_pk=1,
        scopes={"price": scope, "notice": ()},
    )
