"""For the whole-path tests: a migrated database to copy, and servers that are stopped again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from typing import Any

import pytest

from tests.e2e.support.databases import Database, make_database
from tests.e2e.support.processes import run_manage, run_python
from tests.e2e.support.servers import Server

_numbers = count(1)

StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def blank_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A migrated database with users; nothing runs on it, copies are made of it."""
    database = make_database(tmp_path_factory.mktemp("databases"))
    run_manage(database.url, "migrate", "--verbosity", "0")
    yield database
    database.drop()


@pytest.fixture(scope="session")
def tokens(blank_database: Database) -> Mapping[str, str]:
    """The key of each user's token."""
    printed = run_python(blank_database.url, "-m", "tests.e2e.support.seeding")
    keys: dict[str, str] = json.loads(printed)
    return keys


@pytest.fixture(scope="module")
def start_server(
    blank_database: Database,
    tokens: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[StartServer]:
    """Starts servers, each on a database of its own or on that of the server `beside`.

    All are stopped after the module.
    """
    with ExitStack() as stack:

        def start(*, beside: Server | None = None, **options: Any) -> Server:
            if beside is None:
                database = blank_database.copy(f"copy{next(_numbers)}")
                stack.callback(database.drop)
            else:
                database = beside.database
            server = Server(database, tokens, tmp_path_factory.mktemp("server"), **options)
            stack.callback(server.dispose)
            server.start()
            return server

        yield start


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> Server:
    """A server that the tests of a module share."""
    return start_server()
