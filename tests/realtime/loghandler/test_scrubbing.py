"""What is published of a log record: never a secret, never too long, always JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.contrib.auth.models import User
from django.utils.functional import SimpleLazyObject
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.loghandler.scrubbing import (
    CUT,
    FIELDS_CHARACTERS,
    SEARCHED_CHARACTERS,
    VALUE_CHARACTERS,
    is_secret_name,
    scrub_fields,
    scrub_text,
    scrub_traceback,
)
from realtime.masking import MASK, mask

SECRET = "hunter2hunter2hunter2"


def scrub_value(value: Any) -> Any:
    return scrub_fields({"field": value})["field"]


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}",
        f"password: {SECRET} was wrong",
        f"connect(user='desk', password='{SECRET}')",
        f'{{"api_key": "{SECRET}", "size": 1}}',
        f"{{'Authorization': 'Basic {SECRET}'}}",
        f"Authorization: Basic {SECRET}",
        f"Cookie: theme=dark; sessionid={SECRET}; other={SECRET}",
        f"[(b'cookie', b'sessionid={SECRET}'), (b'authorization', b'Basic {SECRET}')]",
        f"X-Api-Key: {SECRET}",
        f"access_token={SECRET}&scope=all",
        f"client_secret => {SECRET}".replace("=>", "="),
        f"DB_PASSWORD={SECRET}",
        f"cannot connect to postgres://desk:{SECRET}@127.0.0.1:5432/desk",
        f"redis://:{SECRET}@127.0.0.1/0 does not answer",
        f"Authorization: Bearer {SECRET}",
        f"/ws?feeds=a&token={SECRET}",
    ],
)
def test_secret_in_a_text_is_hidden(text: str) -> None:
    scrubbed = scrub_text(text, characters=1000)
    assert SECRET not in scrubbed
    assert SECRET[1:] not in scrubbed
    assert MASK in scrubbed
    assert SECRET not in scrub_traceback(text, characters=1000)
    assert SECRET not in orjson.dumps(scrub_fields({"text": text})).decode()


@pytest.mark.parametrize(
    "text",
    ["", "Position 7 closed at 45,000.00", "The token is not known.", "http://127.0.0.1:8000/ws"],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrub_text(text, characters=1000) == text
    assert scrub_traceback(text, characters=1000) == text


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASSWORD",
        "db_password",
        "token",
        "refreshToken",
        "client-secret",
        "Authorization",
        "HTTP_COOKIE",
        "api_key",
        "x-api-key",
        "apiKey",
        "sessionid",
        "private key",
    ],
)
def test_field_with_the_name_of_a_secret_is_hidden_at_every_depth(name: str) -> None:
    assert is_secret_name(name)
    fields = {name: SECRET, "deeper": {name: [SECRET], "list": [{name: SECRET}]}, "kept": 1}
    scrubbed = scrub_fields(fields)
    assert SECRET not in orjson.dumps(scrubbed).decode()
    assert scrubbed[name] == MASK
    assert scrubbed["kept"] == 1


def test_ordinary_names_are_none_of_secrets() -> None:
    assert not any(map(is_secret_name, ("symbol", "account", "key", "author", "status_code")))


def test_values_become_what_json_has() -> None:
    moment = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
    key = UUID(int=7)
    fields = {
        "none": None,
        "yes": True,
        "count": 3,
        "huge": 2**60,
        "part": 0.5,
        "infinite": float("inf"),
        "price": Decimal("45000.10"),
        "at": moment,
        "key": key,
        "bytes": b"ab",
        "set": {1},
        7: "a number for a name",
    }
    scrubbed = orjson.loads(orjson.dumps(scrub_fields(fields)))
    assert scrubbed == {
        "none": None,
        "yes": True,
        "count": 3,
        "huge": str(2**60),
        "part": 0.5,
        "infinite": "inf",
        "price": "45000.10",
        "at": moment.isoformat(),
        "key": str(key),
        "bytes": "b'ab'",
        "set": [1],
        "7": "a number for a name",
    }


def test_value_that_cannot_be_shown_is_named() -> None:
    assert scrub_value(Unshowable()) == "<Unshowable that cannot be shown>"


def test_rows_and_lazy_objects_are_named_without_a_query() -> None:
    """There is no database in this test: a query would fail it."""
    assert scrub_value(User(pk=7, username="ann")) == "auth.User 7"
    assert scrub_value(User.objects.all()) == "<QuerySet of auth.User>"
    assert scrub_value(SimpleLazyObject(lambda: User.objects.get())) == "<SimpleLazyObject>"


def test_lengths_are_bounded() -> None:
    assert scrub_text("x" * 101, characters=100) == "x" * 99 + CUT
    assert scrub_text("x" * 100, characters=100) == "x" * 100
    assert len(scrub_value("x" * 10_000_000)) == VALUE_CHARACTERS
    nested: Any = "deep"
    for _ in range(100):
        nested = {"deeper": nested, "more": list(range(1000))}
    many = {f"field {number}": ["x" * 5000] * 5000 for number in range(5000)}
    for fields in (nested, many):
        started = time.process_time()
        assert len(orjson.dumps(scrub_fields(fields)).decode()) < 3 * FIELDS_CHARACTERS
        assert time.process_time() - started < 0.5
    assert len(scrub_fields(many)) <= 30


def test_traceback_keeps_its_beginning_and_its_end() -> None:
    text = "first\n" + "middle\n" * 100_000 + "ValueError: last"
    scrubbed = scrub_traceback(text, characters=500)
    assert len(scrubbed) == 500
    assert scrubbed.startswith("first\n")
    assert scrubbed.endswith("ValueError: last")
    assert CUT in scrubbed


def test_secret_at_the_edge_of_what_is_searched_is_not_shown() -> None:
    for spare in range(12, 40):
        text = "x" * (SEARCHED_CHARACTERS - spare) + f" token={SECRET} " + "y" * 100_000
        assert SECRET[:3] not in scrub_text(text, characters=4000)
        assert SECRET[:3] not in scrub_traceback(text, characters=4000)


@pytest.mark.parametrize("text", ["NUL \x00", "half a pair \ud800", "both \x00\udfff"])
def test_what_no_database_holds_is_replaced(text: str) -> None:
    scrubbed = scrub_text(text, characters=100)
    assert "\x00" not in scrubbed
    assert "\x00" not in orjson.loads(orjson.dumps(scrub_fields({text: text})))
    scrubbed.encode()


@pytest.mark.parametrize("scrub", [mask, lambda text: scrub_text(text, characters=4000)])
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "%",
        ";%",
        "?%",
        "?a%",
        "token",
        "token=",
        "'",
        "://",
        "=:",
        "\\",
        "cookie:",
        "eyJaaaaaaaa.",
    ],
)
def test_no_text_takes_long(scrub: Callable[[str], str], piece: str) -> None:
    """A URL of anybody's comes here: time must not grow with the square of its length."""
    text = ";" + piece * (SEARCHED_CHARACTERS // len(piece))
    started = time.process_time()
    scrub(text)
    assert time.process_time() - started < 0.5


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
)


@settings(max_examples=40)
@given(fields=st.dictionaries(st.text() | st.integers(), json_like))
def test_whatever_the_fields_are_they_are_json_without_a_nul(fields: dict[Any, Any]) -> None:
    text = orjson.dumps(scrub_fields(fields)).decode()
    assert "\\u0000" not in text
