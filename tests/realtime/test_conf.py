"""Settings: typed, checked, and refused with a sentence that says what to do."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from pytest_django import Settings

from realtime.conf import (
    InvalidSetting,
    RealtimeSettings,
    SettingsGroup,
    conf,
    setting,
    unknown_setting_message,
)


@dataclasses.dataclass(frozen=True)
class Example(SettingsGroup):
    prefix: ClassVar[str] = "EXAMPLE"

    name: str = setting("nobody", "A text.")
    count: int = setting(3, "A number.", minimum=1, maximum=10)
    seconds: float = setting(0.5, "A time.", minimum=0.1)
    limit: Decimal = setting(Decimal("0.03"), "A fraction.", maximum=Decimal(1))
    is_on: bool = setting(False, "A switch.")
    feeds: tuple[str, ...] = setting((), "Names.")


def test_defaults_hold_without_values() -> None:
    assert Example.read({}) == Example()


def test_every_type_is_read_from_text() -> None:
    read = Example.read(
        {
            "EXAMPLE_NAME": "desk",
            "EXAMPLE_COUNT": "7",
            "EXAMPLE_SECONDS": "2",
            "EXAMPLE_LIMIT": "0.06",
            "EXAMPLE_IS_ON": "Yes",
            "EXAMPLE_FEEDS": "a, b,,c",
        }
    )
    assert read == Example("desk", 7, 2.0, Decimal("0.06"), True, ("a", "b", "c"))


def test_values_of_python_are_taken_too() -> None:
    read = Example.read({"EXAMPLE_FEEDS": ["a", "b"], "EXAMPLE_IS_ON": True, "EXAMPLE_COUNT": 4})
    assert (read.feeds, read.is_on, read.count) == (("a", "b"), True, 4)


@pytest.mark.parametrize("word", ["1", "true", "YES", " on ", True, 1])
def test_words_for_yes(word: Any) -> None:
    assert Example.read({"EXAMPLE_IS_ON": word}).is_on is True


@pytest.mark.parametrize("word", ["0", "False", "no", "OFF", False, 0])
def test_words_for_no(word: Any) -> None:
    assert Example.read({"EXAMPLE_IS_ON": word}).is_on is False


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EXAMPLE_COUNT", "many", "a whole number"),
        ("EXAMPLE_COUNT", "1.5", "a whole number"),
        ("EXAMPLE_COUNT", 1.5, "a whole number"),
        ("EXAMPLE_COUNT", None, "a whole number"),
        ("EXAMPLE_COUNT", "", "a whole number"),
        ("EXAMPLE_COUNT", "0", "at least 1"),
        ("EXAMPLE_COUNT", "11", "at most 10"),
        ("EXAMPLE_SECONDS", "soon", "a number"),
        ("EXAMPLE_SECONDS", "nan", "a number"),
        ("EXAMPLE_SECONDS", "inf", "a number"),
        ("EXAMPLE_SECONDS", "0", "at least 0.1"),
        ("EXAMPLE_LIMIT", "much", "a decimal number"),
        ("EXAMPLE_LIMIT", "NaN", "a decimal number"),
        ("EXAMPLE_LIMIT", "2", "at most 1"),
        ("EXAMPLE_IS_ON", "maybe", "yes or no"),
        ("EXAMPLE_IS_ON", "", "yes or no"),
        ("EXAMPLE_FEEDS", 7, "a list of names"),
        ("EXAMPLE_FEEDS", (1, 2), "a list of names"),
    ],
)
def test_bad_value_is_refused_by_name_with_what_would_do(name: str, value: Any, words: str) -> None:
    with pytest.raises(InvalidSetting, match=words) as refusal:
        Example.read({name: value})
    assert name in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("REALTIME_HEARTBEAT", "REALTIME_HEARTBEAT_SECONDS"),
        ("REALTIME_BUDGET_BYTE", "REALTIME_BUDGET_BYTES"),
        ("REALTIME_MAX_CONNECTION", "REALTIME_MAX_CONNECTIONS"),
    ],
)
def test_unknown_name_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(InvalidSetting) as refusal:
        RealtimeSettings.read({name: "1"})
    assert str(refusal.value) == f"{name} is not a setting. Did you mean {nearest}?"


def test_name_like_none_is_sent_to_the_list() -> None:
    assert "docs/settings.md" in unknown_setting_message("EXAMPLE_QQQ", ["REALTIME_RELAY"])


def test_other_prefixes_are_not_ours() -> None:
    assert Example.read({"OTHER_NAME": "x"}) == Example()


def test_changed_setting_is_read_anew(settings: Settings) -> None:
    for budget_bytes in (8192, 9000):
        settings.REALTIME_BUDGET_BYTES = budget_bytes
        assert conf().budget_bytes == budget_bytes
        assert conf() is conf()


def test_unknown_django_setting_is_refused(settings: Settings) -> None:
    settings.REALTIME_BUDGET = 1
    with pytest.raises(InvalidSetting, match="REALTIME_BUDGET_BYTES"):
        conf()
    del settings.REALTIME_BUDGET


def test_every_setting_has_words_and_a_default_within_its_limits() -> None:
    for name, field in RealtimeSettings.names().items():
        assert name.startswith("REALTIME_")
        assert field.metadata["help"].endswith(".")
        read = RealtimeSettings.read({name: field.default})
        assert getattr(read, field.name) == field.default


@pytest.mark.parametrize(
    "origin",
    [
        "desk.example",
        "https://desk.example/",
        "https://desk.example/a",
        "*",
        "null",
        "https://*.example",
        "https://Desk.example",
        "https://user@desk.example",
        "://x",
    ],
)
def test_origin_that_no_browser_would_send_is_refused(origin: str) -> None:
    with pytest.raises(InvalidSetting, match="REALTIME_ALLOWED_ORIGINS"):
        RealtimeSettings.read({"REALTIME_ALLOWED_ORIGINS": ["https://good.example", origin]})


def test_origins_are_as_browsers_send_them() -> None:
    origins = ("https://desk.example", "http://localhost:5173", "http://[::1]:8000", "app://desk")
    assert RealtimeSettings.read({"REALTIME_ALLOWED_ORIGINS": origins}).allowed_origins == origins
