"""`docs/disconnected.md` names every code that the source can send, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "disconnected.md").read_text(encoding="utf-8")
MODULES = sorted((ROOT / "realtime").rglob("*.py"))

# What makes an error or a close; its texts that look like codes are codes.
CALLS = {
    "AuthenticationFailed",
    "BadCommand",
    "Close",
    "Problem",
    "Refused",
    "_fatal",
    "_refuse",
    "close",
    "error",
}
CODE = re.compile(r"[a-z]+(?:_[a-z]+)*")
# Of the WebSocket library: it closes so by itself.
OF_AUTOBAHN = {1007, 1009}
# What a client sees without any close of ours.
OF_NOBODY = {1006, 1011}


def calls() -> Iterator[ast.Call]:
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and name_of(node.func) in CALLS:
                yield node


def name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def constants() -> Iterator[object]:
    """The values in the code's place: the first two arguments, or `code=`."""
    for call in calls():
        named = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
        for value in (*call.args[:3], *named):
            if isinstance(value, ast.Constant):
                yield value.value


def class_codes() -> set[str]:
    """`code = "…"` and `default_code = "…"` of exceptions."""
    texts = "\n".join(module.read_text(encoding="utf-8") for module in MODULES)
    return set(re.findall(r'^    (?:default_)?code = "(\w+)"$', texts, re.MULTILINE))


def error_codes() -> set[str]:
    found = {text for text in constants() if isinstance(text, str) and CODE.fullmatch(text)}
    return found | class_codes()


def close_codes() -> set[int]:
    found = {code for code in constants() if isinstance(code, int) and 1000 <= code < 5000}
    return found | OF_AUTOBAHN | {1000}


def documented_close_codes() -> set[int]:
    listed = [*re.findall(r"^## .*: (.+)$", PAGE, re.MULTILINE)]
    listed += re.findall(r"^\| (\d{4})\b", PAGE, re.MULTILINE)
    return {int(code) for text in listed for code in re.findall(r"\b1\d{3}\b", text)}


def documented_error_codes() -> set[str]:
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE))
    of_rest = PAGE.partition("## Errors of REST")[2]
    return rows | set(re.findall(r"`([a-z]+_[a-z]+)` \(", of_rest)) | {"server_closing"}


def test_codes_are_found_in_the_source() -> None:
    # Were the search to miss some, the tests below would prove nothing.
    assert {"invalid_token", "too_slow", "unavailable", "history_expired"} <= error_codes()
    assert {1003, 1008, 1012, 1013} <= close_codes()


def test_every_error_code_has_its_cause_and_no_other_is_named() -> None:
    assert documented_error_codes() == error_codes()


def test_every_close_code_has_its_part_and_no_other_is_named() -> None:
    assert documented_close_codes() == close_codes() | OF_NOBODY


def test_settings_that_the_page_names_exist() -> None:
    from realtime.conf import RealtimeSettings

    assert set(re.findall(r"REALTIME_[A-Z_]+", PAGE)) <= set(RealtimeSettings.names())
