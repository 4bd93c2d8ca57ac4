"""The fixtures of `realtime.testing`: `pytest_plugins = ["realtime.pytest_plugin"]` loads them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from realtime.testing import Published, capture_published


@pytest.fixture
def published(db: None) -> Callable[[], AbstractContextManager[list[Published]]]:
    """`with published() as events:` collects what the block publishes."""
    return capture_published
