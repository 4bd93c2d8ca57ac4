"""Makes what a log record carries fit to be published: no secrets, bounded, and always JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time
from itertools import islice
from typing import Any

from django.db.models import Model, QuerySet
from django.utils.functional import LazyObject

from realtime.masking import MASK, mask

# What is looked through for secrets, however much of it is kept: the time stays bounded.
SEARCHED_CHARACTERS = 16_000
VALUE_CHARACTERS = 1_000
NAME_CHARACTERS = 100
FIELDS_CHARACTERS = 8_000
MOST_ITEMS = 30
DEEPEST_LEVEL = 3
CUT = "…"
# JSON's numbers are exact up to here in every client.
LARGEST_INTEGER = 2**53

# A name with one of these in it is that of a secret: rather too many are hidden than one too few.
SECRET_WORDS = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "cookie",
    "api_key",
    "apikey",
    "private_key",
    "credential",
    "session_id",
    "sessionid",
    "session_key",
)
_WORDS = "|".join(word.replace("_", "[ _-]?") for word in SECRET_WORDS)
_SEPARATOR = r"[\w-]{0,40}(?:\\?[\"'])?\s{0,3}(?:[=:]|(?<=[\"']),)\s{0,3}"
_PAIR = re.compile(
    rf"(?i)(?P<label>(?:{_WORDS}){_SEPARATOR}(?:b(?=[\"']))?)"
    r"(?P<value>\\?\"[^\"\r\n]*\"?|\\?'[^'\r\n]*'?|[^\s,;&\"')\]}]+)"
)
# The value of a header has spaces and semicolons in it.
_HEADER = re.compile(
    rf"(?i)(?P<label>(?:authorization|cookie){_SEPARATOR})"
    r"(?P<value>(?!b?[\"'])[^\s\"'][^\"'\r\n]*)"
)
_IN_URL = re.compile(r"(?P<label>://[^\s:/@]{0,100}:)(?P<value>[^\s/@]{1,200})(?=@)")


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    words = name.lower().replace("-", "_").replace(" ", "_")
    return any(word in words for word in SECRET_WORDS)


def scrub_text(text: str, *, characters: int) -> str:
    """`text` without credentials and what no database or JSON can hold, cut at its end."""
    hidden = _hide(text[:SEARCHED_CHARACTERS])
    if len(hidden) <= characters and len(text) <= SEARCHED_CHARACTERS:
        return hidden
    return hidden[: characters - len(CUT)] + CUT


def scrub_traceback(text: str, *, characters: int) -> str:
    """The same, cut in its middle: the first call and the last word matter most."""
    if len(text) <= SEARCHED_CHARACTERS:
        hidden = _hide(text)
    else:
        half = SEARCHED_CHARACTERS // 2
        hidden = f"{_hide(text[:half])}\n{CUT}\n{_hide(text[-half:])}"
    if len(hidden) <= characters:
        return hidden
    head = characters // 4
    return f"{hidden[:head]}\n{CUT}\n{hidden[head + len(CUT) + 2 - characters :]}"


def scrub_fields(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """`fields` as a JSON object: the values of secret names hidden, the others scrubbed.

    Whatever they are, this raises nothing and asks no database. At most `FIELDS_CHARACTERS` of them
    are kept.
    """
    return _Fields().scrub_mapping(fields, level=1)


class _Fields:
    """The fields of one record; together they have so many characters and no more."""

    def __init__(self) -> None:
        self._left = FIELDS_CHARACTERS

    def scrub_mapping(self, fields: Mapping[Any, Any], *, level: int) -> dict[str, Any]:
        scrubbed: dict[str, Any] = {}
        for key, value in islice(fields.items(), MOST_ITEMS):
            name = self._scrub_text(str(key), NAME_CHARACTERS)
            is_secret = is_secret_name(str(key))
            scrubbed[name] = MASK if is_secret else self._scrub_safely(value, level)
        return scrubbed

    def _scrub_safely(self, value: Any, level: int) -> Any:
        try:
            return self._scrub(value, level)
        except Exception:
            return f"<{type(value).__name__} that cannot be shown>"

    def _scrub(self, value: Any, level: int) -> Any:
        kind = type(value)
        # Even asking for its class may read a row.
        if issubclass(kind, LazyObject):
            return f"<{kind.__name__}>"
        self._left -= 1
        if value is None or kind is bool:
            return value
        if issubclass(kind, int) and abs(value) <= LARGEST_INTEGER:
            return int(value)
        if issubclass(kind, float) and abs(value) < float("inf"):
            return float(value)
        if level < DEEPEST_LEVEL and issubclass(kind, Mapping):
            return self.scrub_mapping(value, level=level + 1)
        if level < DEEPEST_LEVEL and issubclass(kind, list | tuple | set | frozenset):
            return [self._scrub_safely(item, level + 1) for item in islice(value, MOST_ITEMS)]
        return self._scrub_text(_shown(value), VALUE_CHARACTERS)

    def _scrub_text(self, text: str, characters: int) -> str:
        # Of a text without an end little more than what is kept is looked at.
        allowed = max(len(CUT), min(characters, self._left))
        scrubbed = scrub_text(text[: 2 * allowed + 200], characters=allowed)
        self._left -= len(scrubbed)
        return scrubbed


def _shown(value: Any) -> str:
    # Neither a row's `__str__` nor a query set's may read the database for a log line.
    if isinstance(value, Model):
        return f"{value._meta.label} {value.pk}"
    if isinstance(value, QuerySet):
        return f"<{type(value).__name__} of {value.model._meta.label}>"
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _hide(text: str) -> str:
    # PostgreSQL's texts have no NUL, and UTF-8 no half of a surrogate pair.
    text = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    for pattern in (_HEADER, _PAIR, _IN_URL):
        text = pattern.sub(_replace, text)
    return mask(text)


def _replace(found: re.Match[str]) -> str:
    value = found["value"]
    quote = next((mark for mark in ('\\"', "\\'", '"', "'") if value.startswith(mark)), "")
    end = quote[-1:] if quote and value.endswith(quote[-1]) and len(value) > len(quote) else ""
    return f"{found['label']}{quote}{MASK}{end}"
