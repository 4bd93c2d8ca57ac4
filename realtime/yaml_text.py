"""Writes plain data as YAML: indented, every text quoted as in JSON, which YAML reads alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson


def to_yaml(value: Mapping[str, Any]) -> str:
    """`value` as a YAML document; holds mappings, lists and what JSON has besides."""
    return "".join(f"{line}\n" for line in _lines(value))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _item(f"{_scalar(key)}:", item, indent="  ")
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for item in value:
            yield from _item("-", item, indent="  ")
    else:
        yield _scalar(value)


def _item(head: str, item: Any, *, indent: str) -> Iterator[str]:
    if item and isinstance(item, Mapping | Sequence) and not isinstance(item, str):
        yield head
        yield from (f"{indent}{line}" for line in _lines(item))
    else:
        yield f"{head} {_scalar(item)}"


def _scalar(value: Any) -> str:
    return orjson.dumps(value).decode()
