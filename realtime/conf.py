"""Typed settings: read from Django's, checked at start-up; the source of docs/settings.md."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Self

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
SHORTEST_METRICS_TOKEN = 16
# As browsers send it: a scheme, a host in small letters, a port unless it is the scheme's own.
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s*A-Z]+")


def setting(
    default: Any,
    help: str,
    *,
    minimum: int | float | Decimal | None = None,
    maximum: int | float | Decimal | None = None,
    is_secret: bool = False,
) -> Any:
    """Declare one setting: its default, what it means, and the values that make sense.

    A secret is left out where a group of settings is printed, as in a traceback's variables.
    """
    return dataclasses.field(
        default=default,
        repr=not is_secret,
        metadata={"help": help, "minimum": minimum, "maximum": maximum},
    )


class InvalidSetting(ImproperlyConfigured):
    """A setting has a value that cannot work; the message names it and says what would."""


@dataclass(frozen=True)
class SettingsGroup:
    """The settings that share a prefix; each is a Django setting `PREFIX_NAME` of the same name."""

    prefix: ClassVar[str] = ""

    @classmethod
    def names(cls) -> dict[str, dataclasses.Field[Any]]:
        """Every setting of the group by the name that it has in Django's settings."""
        return {f"{cls.prefix}_{field.name.upper()}": field for field in dataclasses.fields(cls)}

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Build the group from `values`; raises InvalidSetting for the first bad or unknown one."""
        names = cls.names()
        for name in values:
            if name.startswith(f"{cls.prefix}_") and name not in names:
                raise InvalidSetting(unknown_setting_message(name, names))
        return cls(
            **{
                field.name: _convert(name, values[name], field)
                for name, field in names.items()
                if name in values
            }
        )

    @classmethod
    def from_django(cls) -> Self:
        """Build the group from `django.conf.settings`."""
        prefix = f"{cls.prefix}_"
        return cls.read(
            {
                name: getattr(django_settings, name)
                for name in dir(django_settings)
                if name.startswith(prefix)
            }
        )


def unknown_setting_message(name: str, known: Iterable[str]) -> str:
    """Say that `name` is no setting, with the nearest one that is."""
    nearest = difflib.get_close_matches(name, list(known), n=1)
    hint = f"Did you mean {nearest[0]}?" if nearest else "See docs/settings.md for the list."
    return f"{name} is not a setting. {hint}"


def _convert(name: str, value: Any, field: dataclasses.Field[Any]) -> Any:
    wanted = type(field.default)
    try:
        converted = _parse(value, wanted)
    except (ValueError, TypeError, InvalidOperation):
        raise InvalidSetting(
            f"{name} is {value!r}, which is not {_WORDS[wanted]}. "
            f"Unset it for the default, {field.default!r}, or set one."
        ) from None
    minimum, maximum = field.metadata["minimum"], field.metadata["maximum"]
    if minimum is not None and converted < minimum:
        raise InvalidSetting(f"{name} is {value!r}; it must be at least {minimum}.")
    if maximum is not None and converted > maximum:
        raise InvalidSetting(f"{name} is {value!r}; it must be at most {maximum}.")
    return converted


_WORDS: dict[type, str] = {
    bool: "yes or no (1, true, yes, on; 0, false, no, off)",
    int: "a whole number",
    float: "a number",
    Decimal: "a decimal number",
    str: "text",
    tuple: "a list of names separated by commas",
}


def _parse(value: Any, wanted: type) -> Any:
    if wanted is bool:
        return _parse_bool(value)
    if wanted is tuple:
        parts = value.split(",") if isinstance(value, str) else list(value)
        if not all(isinstance(part, str) for part in parts):
            raise ValueError(value)
        return tuple(part.strip() for part in parts if part.strip())
    if wanted is int and isinstance(value, float):
        # `int` would cut its decimals off.
        raise ValueError(value)
    if wanted is Decimal:
        number = Decimal(str(value))
        if not number.is_finite():
            raise ValueError(value)
        return number
    if wanted is float:
        number_ = float(value)
        if number_ != number_ or number_ in (float("inf"), float("-inf")):
            raise ValueError(value)
        return number_
    return wanted(value)


def _parse_bool(value: Any) -> bool:
    word = str(value).strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError(value)


@dataclass(frozen=True)
class RealtimeSettings(SettingsGroup):
    """What can be set about the real-time layer."""

    prefix: ClassVar[str] = "REALTIME"

    service_name: str = setting(
        "Real-time", "What the service is called in `connection_established` and at `/`."
    )
    database: str = setting("default", "The database alias that carries the stream.")
    hosts: int = setting(
        1,
        "Machines, or containers, on which processes of this site run; more than one need "
        "PostgreSQL and a shared channel layer (Redis).",
        minimum=1,
    )
    relay: bool = setting(
        True, "Whether processes run a relay; `off` is for tests that call `flush()`."
    )
    heartbeat_seconds: float = setting(5.0, "Seconds between two heartbeats.", minimum=0.1)
    budget_bytes: int = setting(
        1024 * 1024,
        "Bytes that may wait for one client before a snapshot takes their place.",
        minimum=4096,
    )
    too_slow_seconds: float = setting(
        60.0, "Seconds that a client may accept nothing before it is closed with 1013.", minimum=0.5
    )
    max_connections: int = setting(20_000, "Connections of one server process.", minimum=1)
    max_connections_per_user: int = setting(
        50, "Connections of one user to one server process.", minimum=1
    )
    history_events: int = setting(1_000_000, "Events kept for replay, at most.", minimum=1)
    history_hours: float = setting(72.0, "Hours that events are kept for replay.", minimum=0.001)
    ring_events: int = setting(
        20_000, "Recent events held in memory, from which resumes are served.", minimum=1
    )
    replay_events: int = setting(
        20_000,
        "Most events replayed to a returning client; one that missed more gets a snapshot.",
        minimum=1,
    )
    allow_anonymous: bool = setting(False, "Let clients without credentials read the stream.")
    anonymous_feeds: tuple[str, ...] = setting(
        (),
        "The feeds that anonymous clients may see; empty means all, which is refused without the "
        "debug mode.",
    )
    allowed_origins: tuple[str, ...] = setting(
        (),
        "Further origins (`https://desk.example`) whose pages may connect with a session cookie, "
        "and use REST.",
    )
    recheck_seconds: float = setting(
        30.0,
        "Seconds within which a revoked token, a deactivated user or a permission taken away ends "
        "or narrows live connections, whatever it was changed with.",
        minimum=0.1,
    )
    token_expiring_seconds: float = setting(
        60.0, "Seconds before its credential's end that a client is told so.", minimum=0.0
    )
    token_seconds: float = setting(
        0.0,
        "Seconds that a token of `POST /api/token/` lasts; 0: until it is revoked.",
        minimum=0.0,
    )
    jwt_access_seconds: float = setting(900.0, "Seconds that an access JWT lasts.", minimum=1.0)
    jwt_refresh_seconds: float = setting(
        86_400.0, "Seconds that a refresh JWT lasts, and so a sign-in by JWT.", minimum=1.0
    )
    login_attempts: int = setting(
        10,
        "Failed logins in a row, of one user name, before further ones wait; an address has five "
        "times as many, and as many unknown tokens.",
        minimum=1,
    )
    login_wait_seconds: float = setting(
        30.0,
        "Seconds for which a user name waits after each failed login beyond that; an address a "
        "fifth of it.",
        minimum=0.1,
    )
    max_message_bytes: int = setting(
        64 * 1024,
        "Largest message accepted from a client; a larger one closes with 1009.",
        minimum=1024,
    )
    handshake_seconds: float = setting(
        10.0,
        "Seconds in which a client that connects, or keeps a connection, has to go on with its "
        "request; our server alone.",
        minimum=0.5,
    )
    commands_per_second: int = setting(
        20, "Commands of one client in a second; more closes with `rate_limited`.", minimum=1
    )
    max_bad_commands: int = setting(
        10, "Bad commands of one connection before `too_many_errors`.", minimum=1
    )
    rest_per_second: int = setting(
        100, "Requests of one user over REST in a second, to one process; 0: no limit.", minimum=0
    )
    rest_anonymous_per_minute: int = setting(
        120,
        "Requests over REST from one address without credentials in a minute, to one process; "
        "0: no limit.",
        minimum=0,
    )
    poll_seconds: float = setting(
        0.0,
        "Seconds between two looks at the database for other processes' events; 0 chooses "
        "(0.02 on SQLite, 0.05 on PostgreSQL, 0.25 with Redis).",
        minimum=0.0,
    )
    drain_seconds: float = setting(
        5.0, "Seconds that a stopping server gives its clients to leave.", minimum=0.0
    )
    log_handler: bool = setting(
        True, "Whether the log handler publishes to `system_log`; `off` is for tests."
    )
    log_lines_per_second: float = setting(
        50.0,
        "Log lines that a process publishes in a second, ten seconds' worth at once; what is "
        "beyond is dropped and counted. Half is kept for warnings and errors.",
        minimum=0.1,
    )
    log_queue_lines: int = setting(
        1000,
        "Log lines that wait in a process while the database does not take them; half is kept "
        "for warnings and errors.",
        minimum=2,
    )

    metrics_token: str = setting(
        "",
        "What `GET /metrics` asks for, as `Authorization: Bearer TOKEN`; at least 16 characters. "
        "Empty: this machine's own programs alone may read it.",
        is_secret=True,
    )

    def __post_init__(self) -> None:
        """Refuse an origin that no browser would send, and a token that can be guessed."""
        if 0 < len(self.metrics_token) < SHORTEST_METRICS_TOKEN:
            raise InvalidSetting(
                f"REALTIME_METRICS_TOKEN has fewer than {SHORTEST_METRICS_TOKEN} characters. Make "
                "one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        for origin in self.allowed_origins:
            if not ORIGIN.fullmatch(origin):
                raise InvalidSetting(
                    f"REALTIME_ALLOWED_ORIGINS names {origin!r}, which is not an origin. "
                    "Write them as https://desk.example, in small letters and without a path."
                )


_current: RealtimeSettings | None = None


def conf() -> RealtimeSettings:
    """The settings in force, read once."""
    global _current
    if _current is None:
        _current = RealtimeSettings.from_django()
    return _current


def reload_conf(**_: Any) -> None:
    """Forget what was read: tests change settings."""
    global _current
    _current = None
