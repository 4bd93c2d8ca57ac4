"""Servers and databases as the whole-path tests have them, and a proxy before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.deploy.proxies import Nginx
from tests.deploy.support import open_folder
from tests.e2e.conftest import blank_database, start_server, tokens

__all__ = ["blank_database", "start_nginx", "start_server", "tokens"]

StartNginx = Callable[..., Nginx]


@pytest.fixture(scope="module")
def start_nginx() -> Iterator[StartNginx]:
    """Starts the real nginx with the configuration that is deployed; stopped after the module."""
    with ExitStack() as stack:

        def start(*ports: int, **options: Any) -> Nginx:
            nginx = Nginx(stack.enter_context(open_folder()), ports, **options)
            stack.callback(nginx.stop)
            nginx.start()
            return nginx

        yield start
