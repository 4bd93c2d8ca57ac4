"""Credentials in logs: they never survive, wherever they stand; everything else does."""

from __future__ import annotations

import io
import logging
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.masking import MASK, SERVER_LOGGERS, MaskingFilter, install, mask

# A token of ours is 64 hexadecimal digits; a JWT three parts of base64url.
hexadecimal = st.text("0123456789abcdef", min_size=64, max_size=64)
base64url = st.text(string.ascii_letters + string.digits + "-_", min_size=16, max_size=60)
jwt = st.tuples(base64url, base64url, base64url).map(".".join)
tokens = hexadecimal | jwt

POSITIONS: dict[str, Callable[[str], str]] = {
    "query alone": lambda token: f"/ws?token={token}",
    "query first": lambda token: f"/ws?token={token}&feeds=position_update",
    "query last": lambda token: f"/ws?feeds=position_update&token={token}",
    "query before a fragment": lambda token: f"/ws?token={token}#top",
    "query in a URL in words": lambda token: f"client opened ws://host/ws?token={token} just now",
    "query in quotes": lambda token: f'"GET /ws?token={token} HTTP/1.1" 101',
    "query without its mark": lambda token: f"token={token}",
    "query in capitals": lambda token: f"/ws?TOKEN={token}",
    "query as bytes": lambda token: f"query_string=b'token={token}'",
    "query with an encoded name": lambda token: f"/ws?a=1&%74oken={token}&b=%20",
    "JSON": lambda token: f'{{"username": "demo", "token": "{token}"}}',
    "header": lambda token: f"Authorization: Token {token}",
    "header in small letters": lambda token: f"authorization: bearer {token}",
    "header as bytes": lambda token: f"(b'authorization', b'Token {token}')",
    "subprotocol": lambda token: f"Sec-WebSocket-Protocol: realtime.v1, bearer.{token}",
    "subprotocol in a list": lambda token: f"['realtime.v1', 'bearer.{token}']",
    "header of another scheme": lambda token: f"Authorization: Basic {token}",
    "header without a scheme": lambda token: f"authorization={token}",
    "header in a dict": lambda token: f"{{'Authorization': 'Bearer {token}', 'Host': 'a'}}",
    "header in JSON": lambda token: f'{{"authorization": "Token {token}"}}',
    "header in JSON in JSON": lambda token: f'"{{\\"authorization\\": \\"Token {token}\\"}}"',
    "other header as bytes": lambda token: f"[(b'Authorization', b'Basic {token}')]",
    "command": lambda token: f'{{"action": "authenticate", "id": 7, "token": "{token}"}}',
    "command in a dict": lambda token: f"{{'action': 'authenticate', 'token': '{token}'}}",
    "command in JSON": lambda token: (
        f'"{{\\"action\\": \\"authenticate\\", \\"token\\": \\"{token}\\"}}"'
    ),
    "refresh": lambda token: f'{{"refresh": "{token}"}}',
    "access": lambda token: f"{{'access': '{token}'}}",
    "session cookie": lambda token: f"Cookie: a=b; sessionid={token}; csrftoken=c",
    "other cookie": lambda token: f"cookie: mine={token}",
    "cookie alone": lambda token: f"the browser sent sessionid={token}",
    "cookie that is set": lambda token: f"Set-Cookie: sessionid={token}; HttpOnly; Path=/",
    "cookies as bytes": lambda token: f"(b'cookie', b'a=b; sessionid={token}')",
    "cookies in a dict": lambda token: f"{{'Cookie': 'csrftoken={token}; a=b', 'Host': 'a'}}",
    "hidden field": lambda token: f"csrfmiddlewaretoken={token}&username=demo",
}


@pytest.mark.parametrize("position", POSITIONS)
@given(token=tokens)
def test_token_never_survives(position: str, token: str) -> None:
    masked = mask(POSITIONS[position](token))
    assert token not in masked
    # Nor any part of it that would help.
    assert token[:12] not in masked
    assert token[-12:] not in masked
    assert MASK in masked


real_jwt = st.tuples(base64url, base64url, base64url).map(
    lambda parts: f"eyJ{parts[0]}.eyJ{parts[1]}.{parts[2]}"
)


@pytest.mark.parametrize("before", ["", "the JWT ", "jwt=", "(", "b'", "/path/"])
@given(token=real_jwt)
def test_jwt_never_survives_wherever_it_stands(before: str, token: str) -> None:
    masked = mask(f"{before}{token} was sent")
    assert all(part not in masked for part in token.split("."))
    assert masked == f"{before}{MASK} was sent"


def test_every_cookie_of_a_line_is_masked() -> None:
    assert mask("Cookie: a=one; sessionid=two; b=three") == f"Cookie: {MASK}"
    assert mask("it sent sessionid=two here") == f"it sent sessionid={MASK} here"


@given(first=tokens, second=tokens)
def test_every_token_of_a_line_is_masked(first: str, second: str) -> None:
    masked = mask(f"/ws?token={first} then Authorization: Token {second}")
    assert first not in masked
    assert second not in masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GET /ws?feeds=position_update&since=41 101",
        "The token is not known.",
        "token refreshed",
        "bearer of bad news",
        "3 tokens made for demo",
        "/api/token/ 200",
        "Authorization is required.",
        "no cookie was sent",
        "cookie: none",
        "access to /api/jwt/refresh/ 200",
        "keyJ.a.b",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert mask(text) == text


def test_what_stands_around_a_token_stays() -> None:
    masked = mask("/ws?feeds=position_update&token=abcdef0123456789&since=41")
    assert masked == f"/ws?feeds=position_update&token={MASK}&since=41"


def logged_line(message: Any, *args: Any, format: str = "%(message)s") -> str:
    """What a handler writes of one record behind the filter."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(format))
    handler.addFilter(MaskingFilter())
    logger = logging.Logger("tests.masking")
    logger.addHandler(handler)
    logger.warning(message, *args)
    return stream.getvalue()


TOKEN = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("message", "args"),
    [
        (f"/ws?token={TOKEN}", ()),
        ("%s", (f"/ws?token={TOKEN}",)),
        ("/ws?token=%s", (TOKEN,)),
        ("Authorization: Token %s", (TOKEN,)),
        ("%s %s", ("GET", f"/ws?token={TOKEN}")),
        ("%(path)s", ({"path": f"/ws?token={TOKEN}"},)),
        ("%r", ({"query_string": f"token={TOKEN}".encode()},)),
        ("%s", (ValueError(f"/ws?token={TOKEN}"),)),
        (ValueError(f"/ws?token={TOKEN}"), ()),
    ],
    ids=str,
)
def test_record_is_written_without_its_token(message: Any, args: tuple[Any, ...]) -> None:
    line = logged_line(message, *args)
    assert TOKEN not in line
    assert MASK in line


def test_servers_that_format_the_arguments_themselves_see_masked_ones() -> None:
    """uvicorn's access log takes the path out of the arguments."""
    record = logging.LogRecord(
        "uvicorn.access",
        logging.INFO,
        "",
        0,
        '%s - "%s %s HTTP/%s" %d',
        ("127.0.0.1:5000", "GET", f"/ws?token={TOKEN}", "1.1", 101),
        None,
    )
    assert MaskingFilter().filter(record)
    assert isinstance(record.args, tuple)
    assert record.args[2] == f"/ws?token={MASK}"
    assert record.args[4] == 101


@pytest.mark.parametrize(
    ("message", "args"), [("%d", ("no number",)), ("%s %s", ("one",)), ("%(a)s", ({"b": 1},))]
)
def test_record_that_cannot_be_formatted_is_not_dropped(
    message: str, args: tuple[Any, ...]
) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, message, args, None)
    assert MaskingFilter().filter(record)


def test_plain_record_is_left_as_it_is() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s joined", ("demo",), None)
    assert MaskingFilter().filter(record)
    assert (record.msg, record.args) == ("%s joined", ("demo",))


def test_filter_is_installed_once_on_the_loggers_of_servers() -> None:
    install()
    install()
    for name in SERVER_LOGGERS:
        present = logging.getLogger(name).filters
        assert sum(isinstance(each, MaskingFilter) for each in present) == 1
