"""The AsyncAPI document: what goes over the wire is as it says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import Client

from realtime.asyncapi import asyncapi_document
from realtime.data_schemas import data_schema
from realtime.feeds import RESERVED_PARAMETERS, RESERVED_TYPES, Feed, feeds
from realtime.system_log import publish_log
from realtime.testing import StreamClient
from realtime.yaml_text import to_yaml
from tests.realtime.json_schemas import check, resolve
from tests.realtime.people import make_key, make_user
from tests.realtime.rows import make_position
from trading import services
from trading.models import Account, Position

EVERYTHING = (
    "trading.view_position",
    "trading.view_equitysnapshot",
    "trading.view_riskstatus",
    "trading.view_all_accounts",
    "realtime.view_system_log",
)


@pytest.fixture
def document() -> dict[str, Any]:
    return asyncapi_document(host="desk.example", is_secure=True)


def references(value: Any) -> Iterator[str]:
    """Every `$ref` in it."""
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_document_is_served_to_everybody(client: Client) -> None:
    answer = client.get("/api/asyncapi.yaml", headers={"host": "localhost:8000"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/yaml")
    text = answer.content.decode()
    assert text.startswith('"asyncapi": "3.0.0"\n')
    assert '"host": "localhost:8000"\n' in text
    assert client.post("/api/asyncapi.yaml").status_code == 405


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = list(references(document))
    assert len(found) > 20
    for reference in found:
        assert resolve(document, reference), reference


def test_every_feed_command_and_message_of_the_protocol_is_in_it(document: dict[str, Any]) -> None:
    messages = document["components"]["messages"]
    commands = {name.removesuffix("_command") for name in messages if name.endswith("_command")}
    assert messages.keys() - {f"{name}_command" for name in commands} == {
        *feeds(),
        *RESERVED_TYPES,
    }
    assert "subscribe" in commands
    query = document["channels"]["stream"]["bindings"]["ws"]["query"]["properties"]
    filters = {name for feed in feeds().values() for name in feed.filter_fields}
    assert query.keys() == RESERVED_PARAMETERS | filters


@pytest.mark.django_db(transaction=True)
async def test_what_goes_over_the_wire_is_as_the_document_says(document: dict[str, Any]) -> None:
    messages = document["components"]["messages"]
    seen: dict[str, dict[str, Any]] = {}
    key = await sync_to_async(prepare)()

    def note(message: dict[str, Any]) -> None:
        check(message, messages[message["type"]]["payload"], document)
        seen[message["type"]] = message

    async with StreamClient(token=key, query="symbol=BTC/USDT") as client:
        note(client.welcome)
        note(await client.receive("snapshot"))
        await sync_to_async(act)()
        actions = set()
        while "left" not in actions:
            message = await client.receive()
            note(message)
            actions.add(message.get("action"))
        for command in (
            {"action": "ping", "id": 1},
            {"action": "unsubscribe", "id": "two", "feeds": ["system_log"]},
            {"action": "snapshot"},
            {"action": "authenticate", "id": 4, "token": key},
        ):
            check(command, messages[f"{command['action']}_command"]["payload"], document)
            await client.send(command)
            note(await client.receive("pong", "subscribed", "snapshot", "authenticated"))
        await client.send({"action": "dance", "id": 3})
        note(await client.receive("error"))
        known = seen["error"]["message"].partition("actions are: ")[2].rstrip(".").split(", ")
        assert {f"{name}_command" for name in known} <= messages.keys()
        note(await client.receive("heartbeat"))
    assert seen.keys() == {*feeds(), *RESERVED_TYPES} - {"server_closing", "token_expiring"}


def prepare() -> str:
    """A user who sees everything, and something to see; returns the user's key."""
    Account.objects.get_or_create(pk="default")
    make_position()
    key = make_key(make_user("reader", *EVERYTHING))
    connections.close_all()
    return key


def act() -> None:
    """Publish on every feed, at last a position that leaves the filter."""
    services.record_equity(total_equity=100)
    services.soft_pause(reason="Wait.")
    publish_log(level="INFO", message="Hello.", module="test")
    Position.objects.update(symbol="ETH/USDT")
    connections.close_all()


def test_a_feed_without_a_serializer_says_what_its_fields_are_called() -> None:
    class Weather(Feed):
        name = "weather"
        key_field = "city"
        filter_fields = ("city", "country")

    schema = data_schema(Weather())
    assert list(schema["properties"]) == ["city", "country"]


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, "b": [], "c": {}, "d": None, "e": True},
        {"list": [1, "two", {"three": [3]}, [4]], "text": 'a: "b"\nc #d — é'},
    ],
)
def test_yaml_has_what_it_was_given(value: dict[str, Any]) -> None:
    assert parse(to_yaml(value).splitlines()) == value


def parse(lines: list[str]) -> Any:
    """Read what `to_yaml` writes: blocks by indentation, scalars as JSON."""
    if len(lines) == 1 and not lines[0].startswith("- ") and not is_entry(lines[0]):
        return json.loads(lines[0])
    items: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("  "):
            items[-1][1].append(line[2:])
        elif line.startswith("-"):
            rest = line[1:].strip()
            items.append(("-", [rest] if rest else []))
        else:
            head, end = json.JSONDecoder().raw_decode(line)
            rest = line[end:].removeprefix(":").strip()
            items.append((head, [rest] if rest else []))
    if lines[0].startswith("-"):
        return [parse(block) for _, block in items]
    return {head: parse(block) for head, block in items}


def is_entry(line: str) -> bool:
    """Whether it is a key with something behind it."""
    if not line.startswith('"'):
        return False
    _, end = json.JSONDecoder().raw_decode(line)
    return line[end:].startswith(":")
