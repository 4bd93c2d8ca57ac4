"""Buttons beside a page's title, as the admin calls them: object tools."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tool:
    """A link to a page that asks before anything is done."""

    label: str
    url: str
