"""Bodies of REST that are no JSON, or too much of it, are refused; answers are JSON whatever."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

TOKEN = "/api/token/"

pytestmark = pytest.mark.django_db


def post(client: Client, body: str | bytes, content_type: str = "application/json") -> Any:
    return client.generic("POST", TOKEN, body, content_type=content_type)


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "",
        "[" * 100_000,
        '{"a": NaN}',
        '{"a": Infinity}',
        b'{"a": "\xff"}',
        '{"a": ' + "9" * 5_000 + "}",
    ],
)
def test_what_is_no_json_is_a_400(client: Client, body: str | bytes) -> None:
    answer = post(client, body)
    assert answer.status_code == 400, answer.content
    assert answer.json().keys() == {"code", "message", "fields"}


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "base64", "rot13", "nonsense"])
def test_json_is_utf_8_whatever_the_header_says(client: Client, charset: str) -> None:
    body = '{"username": "é", "password": "é"}'.encode()
    answer = post(client, body, f"application/json; charset={charset}")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")


def test_a_large_body_is_not_read(client: Client) -> None:
    answer = post(client, b'"' + b"x" * 3_000_000 + b'"')
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_another_kind_of_body_is_a_415(client: Client) -> None:
    answer = post(client, "username=a", "application/x-www-form-urlencoded")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("accept", ["text/html", "text/csv", "nonsense", "*/*"])
def test_an_answer_is_json_whatever_is_accepted(client: Client, accept: str) -> None:
    answer = client.get("/api/events/", headers={"accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/json")
