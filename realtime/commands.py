"""The commands of clients, read: what is wrong in one is refused with a sentence, never guessed."""

from __future__ import annotations

from typing import Any

import orjson

from realtime.feeds import feeds
from realtime.parameters import MAXIMUM_FILTER_VALUES, Problem
from realtime.subscriptions import FieldValues, field_values


class BadCommand(Exception):
    """A command that is refused; the connection goes on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


def parse_command(text: str) -> dict[str, Any]:
    """The JSON object in `text`."""
    try:
        command = orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError):
        raise BadCommand(Problem("invalid_json", "The message is not JSON.")) from None
    if not isinstance(command, dict):
        raise BadCommand(Problem("invalid_json", "The message is not a JSON object."))
    return command


def read_token(command: dict[str, Any]) -> str:
    """The credential of `authenticate`."""
    token = command.get("token")
    if not isinstance(token, str) or not token:
        raise BadCommand(Problem("invalid_value", "token is a token or a JWT, as a text."))
    return token


def read_names(command: dict[str, Any], *, default: tuple[str, ...]) -> tuple[str, ...]:
    """The feeds that a command names, each once."""
    names = command.get("feeds", list(default))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadCommand(Problem("invalid_value", "feeds is a list of feed names."))
    if len(names) > len(feeds()) + 10:
        raise BadCommand(Problem("invalid_value", f"There are only {len(feeds())} feeds."))
    return tuple(dict.fromkeys(names))


def read_filters(command: dict[str, Any]) -> dict[str, Any]:
    """The filters of a command by feed, as they were sent."""
    filters = command.get("filters") or {}
    if not isinstance(filters, dict):
        raise BadCommand(Problem("invalid_value", "filters is an object of feeds."))
    return filters


def read_filter(name: str, wanted: Any) -> FieldValues:
    """The filter of one feed, which exists."""
    if not isinstance(wanted, dict):
        text = f'filters of {name} are an object such as {{"symbol": ["BTC/USDT"]}}.'
        raise BadCommand(Problem("invalid_value", text))
    known = feeds()[name].filter_fields
    for field, values in wanted.items():
        if field not in known:
            names = ", ".join(known) or "none"
            text = f"{name} has no filter {field!r}; it has: {names}."
            raise BadCommand(Problem("unknown_filter", text))
        is_list = isinstance(values, list) and all(isinstance(value, str) for value in values)
        if not is_list or not 0 < len(values) <= MAXIMUM_FILTER_VALUES:
            text = f"The filter {field!r} takes a list of 1 to {MAXIMUM_FILTER_VALUES} texts."
            raise BadCommand(Problem("invalid_value", text))
    return field_values(wanted)
