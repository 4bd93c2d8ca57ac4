"""Test events: one of each feed, so that a person sees whether clients hear anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from realtime.feeds import Feed, ModelFeed, feeds, publish
from realtime.log import Action
from realtime.system_log import publish_log

TEST_MESSAGE = "Test broadcast"
MODULE = "broadcast"


def publish_tests() -> Iterator[tuple[str, int]]:
    """Publish one test event of each feed; yields the feed's name and the event's id."""
    for name, feed in feeds().items():
        if name == "system_log":
            yield name, publish_log(level="INFO", message=TEST_MESSAGE, module=MODULE)
        else:
            # Closed at once: a test object must not stay in anybody's state.
            yield name, publish(name, _test_data(feed), action=Action.CLOSED)


def _test_data(feed: Feed) -> dict[str, Any]:
    """Data of the feed's shape: that of a model's feed is made from an empty row."""
    data: dict[str, Any] = dict(feed.data(feed.model())) if isinstance(feed, ModelFeed) else {}
    return data | {"test": True, feed.key_field or "message": "test"}
