"""`max_rate` and a backlog that is dropped: what the rate holds back is in the snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from realtime import hub
from realtime.auth.grants import Grants
from realtime.delivery import ResyncReason
from realtime.system_log import publish_log
from realtime.testing import flush
from tests.realtime.serving import Connection, Server

FEEDS = ("system_log",)
SLOW = {"max_rate": "0.1", "feeds": "system_log"}


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server({"all": Grants("all", "user:1", None, dict.fromkeys(FEEDS, ()))})
    yield server
    server.stop()


def write_line(text: str = "line") -> None:
    publish_log(level="INFO", message=text, module="test")
    flush()


@pytest.mark.django_db(transaction=True)
def test_what_is_held_back_goes_with_the_backlog_and_is_counted(server: Server) -> None:
    write_line("there from the start")
    connection = Connection(server, token="all", query=SLOW)
    connection.receive()
    connection.block()
    serving = hub.current()
    assert serving is not None
    (member,) = serving._members
    server.call(partial(member.resync, ResyncReason.NEW_STREAM))
    write_line("the first flush, dropped since a snapshot is owed")
    write_line("held by the rate")
    connection.make_room()
    connection.send(action="subscribe", feeds=[], max_rate=None)
    snapshot, subscribed = connection.receive()
    assert (snapshot["type"], subscribed["type"]) == ("snapshot", "subscribed")
    assert snapshot["dropped"] == {"system_log": 2}
    assert [line["message"] for line in snapshot["data"]["system_log"]][-1] == "held by the rate"
    write_line("after it")
    (line,) = connection.receive()
    assert line["seq"] == snapshot["seq"] + 1
