"""Every way in which Django changes rows, against a socket: what arrives is what changed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.support.clients import COMMITTED, Client, Message
from tests.e2e.support.databases import Database
from tests.e2e.support.desk import Desk
from tests.e2e.support.followers import Follower
from tests.e2e.support.processes import run_manage
from tests.e2e.support.servers import Server

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.publishing_app.settings"}
WRITES = "tests.publishing_app.writes"
# Two chunks of a bulk write and one row more.
MANY = 1001

# By feed: what a row is in the database.
TABLES = {
    "shelf": "SELECT * FROM publishing_app_shelf",
    "tag": "SELECT * FROM publishing_app_tag",
    "thing": "SELECT * FROM publishing_app_thing",
    "hanging": "SELECT * FROM publishing_app_hanging",
    "vehicle": "SELECT * FROM publishing_app_vehicle",
    "car": (
        "SELECT id, name, keeper_id, seats, garage_id "
        "FROM publishing_app_vehicle JOIN publishing_app_car ON vehicle_ptr_id = id"
    ),
}

# By write: the events that it publishes, and no others. A row of two tables has two feeds.
EXPECTED: dict[str, dict[str, int]] = {
    "save": {"thing updated": 1},
    "save_new": {"thing created": 1},
    "save_end_of_life": {"thing closed": 1},
    # One of them by another writer, whose value the second one shows.
    "save_update_fields": {"thing updated": 2},
    "save_expression": {"thing updated": 1},
    "save_proxy": {"thing updated": 1},
    "save_and_undo": {},
    "create": {"thing created": 1},
    "create_related": {"thing created": 1},
    "get_or_create_new": {"thing created": 1},
    "get_or_create_existing": {},
    "update_or_create_new": {"thing created": 1},
    "update_or_create_existing": {"thing updated": 1},
    "update_or_create_related": {"thing updated": 1},
    "delete": {"thing deleted": 1},
    "delete_proxy": {"thing deleted": 1},
    "update": {"thing updated": 2},
    "update_what_it_filters_by": {"thing updated": 1},
    "update_nothing": {},
    "update_over_join": {"thing updated": 2},
    "update_over_join_distinct": {"thing updated": 2},
    "update_over_join_it_changes": {"thing updated": 2},
    "update_over_annotation": {"thing updated": 1},
    "update_from_annotation": {"thing updated": 2},
    "update_from_subquery": {"thing updated": 1},
    "update_excluding": {"thing updated": 2},
    "update_ordered": {"thing updated": 4},
    "update_proxy": {"thing updated": 1},
    "update_many": {"thing updated": MANY},
    # Below 498.02, the average of all: 499 of the numbers, and the four small ones.
    "update_against_own_table_many": {"thing updated": 503},
    "bulk_create": {"thing created": 3},
    "bulk_create_batches": {"thing created": 3},
    "bulk_create_over_conflicts": {"thing updated": 2},
    "bulk_create_over_conflicting_keys": {"thing updated": 1},
    "bulk_update": {"thing updated": 1, "thing closed": 1},
    "bulk_update_batches": {"thing updated": 4},
    "queryset_delete": {"thing deleted": 2},
    "queryset_delete_over_join": {"thing deleted": 2, "hanging deleted": 3},
    "queryset_delete_many": {"thing deleted": MANY},
    "cascade": {"shelf deleted": 1, "thing deleted": 2, "hanging deleted": 3},
    "cascade_from_queryset": {"shelf deleted": 1, "thing deleted": 2, "hanging deleted": 3},
    "set_null": {"shelf updated": 2, "thing updated": 2, "vehicle updated": 2, "car updated": 1},
    "set_null_from_queryset": {
        "shelf updated": 2,
        "thing updated": 2,
        "vehicle updated": 2,
        "car updated": 1,
    },
    "set_value": {
        "shelf deleted": 1,
        "thing updated": 1,
        "vehicle updated": 1,
        "car updated": 1,
    },
    "related_add": {"thing updated": 2},
    "related_add_one_by_one": {"thing updated": 2},
    "related_set": {"thing updated": 2},
    "related_set_anew": {"thing updated": 3},
    "related_remove": {"thing updated": 1},
    "related_clear": {"thing updated": 2},
    "related_clear_one_by_one": {"thing updated": 2},
    "many_to_many_add": {"tag created": 1, "hanging created": 1},
    "many_to_many_add_with_defaults": {"hanging created": 1},
    "many_to_many_set": {"hanging deleted": 1, "hanging created": 1},
    "many_to_many_remove": {"hanging deleted": 1},
    "many_to_many_clear": {"hanging deleted": 2},
    "many_to_many_create": {"tag created": 1, "hanging created": 1},
    "create_child": {"vehicle created": 1, "car created": 1},
    "save_child": {"vehicle updated": 1, "car updated": 1},
    "save_child_parents_field": {"vehicle updated": 1, "car updated": 1},
    "save_parent": {"vehicle updated": 1, "car updated": 1},
    "save_parent_without_child": {"vehicle updated": 1},
    "update_child": {"vehicle updated": 1, "car updated": 1},
    "update_parent": {"vehicle updated": 2, "car updated": 1},
    "bulk_update_child": {"vehicle updated": 1, "car updated": 1},
    "delete_child": {"vehicle deleted": 1, "car deleted": 1},
    "delete_child_keeping_parent": {"car deleted": 1},
    "delete_parent": {"vehicle deleted": 1, "car deleted": 1},
    "queryset_delete_children": {"vehicle deleted": 1, "car deleted": 1},
    "queryset_delete_parents": {"vehicle deleted": 2, "car deleted": 1},
    "asave": {"thing updated": 1},
    "acreate": {"thing created": 1},
    "aget_or_create": {"thing created": 1},
    "aupdate_or_create": {"thing updated": 1},
    "aupdate": {"thing updated": 2},
    "abulk_create": {"thing created": 2},
    "abulk_update": {"thing updated": 1},
    "adelete": {"thing deleted": 1},
    "queryset_adelete": {"thing deleted": 2},
    "related_aset": {"thing updated": 3},
    "related_aadd": {"thing updated": 1},
    "related_aclear": {"thing updated": 2},
    "many_to_many_aadd": {"hanging created": 1},
    "save_in_thread": {"thing updated": 1},
    "admin_add": {"thing created": 1},
    "admin_change": {"thing updated": 1},
    "admin_change_list": {"thing updated": 2},
    "admin_delete": {"thing deleted": 1},
    "admin_delete_selected": {"thing deleted": 2, "hanging deleted": 1},
    "admin_action": {"thing updated": 2},
}
# By change that publishes nothing: what `resync` publishes afterwards.
UNSEEN: dict[str, dict[str, int]] = {
    "loaddata": {"thing updated": 1},
    "raw_sql": {"thing updated": 2, "thing closed": 1, "thing deleted": 1},
}

Key = tuple[str, str]
Rows = dict[Key, dict[str, Any]]


class Site(NamedTuple):
    """A server with the app's tables, and a process that writes them."""

    server: Server
    writer: Desk


@pytest.fixture(scope="module")
def site(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server = start_server(**SETTINGS)
    url = server.database.url
    run_manage(url, "migrate", "--run-syncdb", "--verbosity", "0", **SETTINGS)
    log = tmp_path_factory.mktemp("writer") / "writer.log"
    writer = Desk(url, log, actions=WRITES, **SETTINGS)
    yield Site(server, writer)
    writer.close()


def read_rows(database: Database) -> Rows:
    """Every row by its feed and key, with its columns as the feed names them."""
    return {
        (feed, str(row["id"])): row
        for feed, statement in TABLES.items()
        for row in map(_as_data, database.rows(statement))
    }


def _as_data(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removesuffix("_id"): value for name, value in row.items()}


def live(rows: Rows) -> Rows:
    return {key: row for key, row in rows.items() if not row.get("is_broken")}


async def arrived(follower: Follower, database: Database) -> list[Message]:
    """What has come since the snapshot, up to everything that is committed by now."""
    await follower.follow_to(database.row(COMMITTED)["seq"])
    return follower.events


def held(follower: Follower) -> Rows:
    """What the client holds of the app's feeds."""
    return {
        (feed, key): data
        for feed in TABLES
        for key, data in follower.state.held[feed].items()  # type: ignore[union-attr]
    }


@asynccontextmanager
async def following(server: Server) -> AsyncIterator[Follower]:
    """A client that holds what the rows are, and no event yet."""
    follower = Follower(server)
    await follower.connect()
    try:
        await arrived(follower, server.database)
        assert held(follower) == live(read_rows(server.database))
        follower.events.clear()
        yield follower
    finally:
        await follower.close()


@pytest.mark.parametrize("write", EXPECTED)
async def test_every_write_publishes_what_it_changed_once_and_nothing_else(
    site: Site, write: str
) -> None:
    database = site.server.database
    site.writer.call("prepare", write=write)
    async with following(site.server) as follower:
        before = read_rows(database)
        site.writer.call("write", write=write)
        after = read_rows(database)
        events = await arrived(follower, database)
    assert Counter(f"{each['type']} {each['action']}" for each in events) == EXPECTED[write]
    newest = {(each["type"], str(each["data"]["id"])): each for each in events}
    changed = {key for key in before | after if before.get(key) != after.get(key)}
    assert changed <= newest.keys()
    # A row of two tables is published on both feeds, whichever table was written.
    assert {feed for feed, _ in newest.keys() - changed} <= {"vehicle", "car"}
    for key, event in newest.items():
        row = after.get(key)
        assert (event["action"] == "deleted") == (row is None)
        assert event["data"] == (before[key] if row is None else row)
    assert held(follower) == live(after)


def test_no_write_is_left_out(site: Site) -> None:
    assert {*EXPECTED, *UNSEEN} == set(site.writer.call("names"))


async def test_write_on_another_database_is_refused_and_sends_nothing(site: Site) -> None:
    site.writer.call("prepare", write="")
    async with following(site.server) as follower:
        assert len(site.writer.call("refused")) == site.writer.call("attempted")
        assert await arrived(follower, site.server.database) == []


@pytest.mark.parametrize("changed_unseen", ["loaddata", "raw_sql"])
async def test_what_does_not_publish_is_published_by_resync(
    site: Site, changed_unseen: str
) -> None:
    database = site.server.database
    site.writer.call("prepare", write="")
    async with following(site.server) as follower:
        site.writer.call("write", write=changed_unseen)
        after = read_rows(database)
        counted = resync(site, "thing", "--dry-run")
        assert await arrived(follower, database) == []
        assert held(follower) != live(after)
        published = resync(site, "thing")
        events = await arrived(follower, database)
    assert counted == published.replace("published", "to publish")
    assert Counter(f"{each['type']} {each['action']}" for each in events) == UNSEEN[changed_unseen]
    assert held(follower) == live(after)


async def test_rows_from_before_are_in_snapshots_after_a_resync(site: Site) -> None:
    """As when `realtime` is installed beside rows that are there already."""
    site.writer.call("prepare", write="")
    site.server.stop()
    site.writer.call("forget_events", feeds=list(TABLES))
    site.server.start()
    async with await Client.connect(site.server) as client:
        snapshot = await client.receive_type("snapshot")
        assert not any(snapshot["data"][feed] for feed in TABLES)
        resync(site)
        async with following(site.server):
            pass
    assert set(re.findall(r", (.*)", resync(site))) == {"0 published, 0 gone"}


async def test_new_version_of_a_feed_is_a_snapshot_to_those_who_return(site: Site) -> None:
    release = {"PUBLISHING_APP_VERSION": "2"}
    site.writer.call("prepare", write="")
    async with await Client.connect(site.server) as client:
        greeting = await client.receive()
    ticket = {name: greeting[name] for name in ("stream", "subscription")}
    ticket["since"] = greeting["seq"]
    site.server.stop()
    site.server.start(**release)
    async with await Client.connect(site.server, ticket) as client:
        greeting, snapshot = await client.receive(), await client.receive_type("snapshot")
    assert (greeting["resume"], greeting["resume_reason"]) == ("snapshot", "subscription_changed")
    assert not any("version" in thing for thing in snapshot["data"]["thing"])
    run_manage(site.server.database.url, "resync", **SETTINGS, **release)
    async with await Client.connect(site.server) as client:
        snapshot = await client.receive_type("snapshot")
    assert {thing["version"] for thing in snapshot["data"]["thing"]} == {2}
    site.server.stop()
    site.server.start()
    resync(site)


def resync(site: Site, *arguments: str) -> str:
    printed: str = site.writer.call("resync", arguments=arguments)
    return printed
