"""The one file that reads the environment: typed, checked; the source of docs/settings.md."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from environ import Env

from project.mail import email_settings
from realtime.conf import InvalidSetting, RealtimeSettings, SettingsGroup, setting
from trading.conf import RiskSettings

ROOT = Path(__file__).resolve().parent.parent
DEVELOPMENT_SECRET_KEY = "for-development-on-one-machine-only-anyone-can-read-it"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
LOG_FORMATS = ("line", "json")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
DATABASE_SCHEMES = ("sqlite://", "postgres://", "postgresql://")
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")

# Read by the client in the terminal, which may share its environment with a command.
CLIENT_VARIABLES = frozenset({"REALTIME_TOKEN"})

HOW_TO_MAKE_A_SECRET = (
    "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))' "
    "and start with SECRET_KEY=… in the environment."
)


@dataclass(frozen=True)
class ServiceSettings(SettingsGroup):
    """What can be set about the service as a whole."""

    prefix: ClassVar[str] = ""

    secret_key: str = setting(
        DEVELOPMENT_SECRET_KEY,
        "Signs sessions. The default is public, so it serves loopback with `DEBUG=1` only.",
        is_secret=True,
    )
    debug: bool = setting(
        True, "Development mode: error pages with details, no need for a secret or for HTTPS."
    )
    allowed_hosts: tuple[str, ...] = setting(
        LOOPBACK_HOSTS,
        "The host names that this service answers to; those of loopback always, for probes.",
    )
    https: bool = setting(
        True,
        "With `DEBUG=0`: browsers come by HTTPS, through a proxy that sets `X-Forwarded-Proto`; "
        "cookies are secure and plain HTTP is redirected.",
    )
    database_url: str = setting(
        "sqlite:///db.sqlite3",
        "`sqlite:///FILE` (relative to the project) or `postgres://USER:PASSWORD@HOST:PORT/NAME`.",
        is_secret=True,
    )
    redis_url: str = setting(
        "", "`redis://HOST:PORT/0` where several server processes run; empty for one process."
    )
    email_url: str = setting(
        "",
        "The mail server: `smtp://USER:PASSWORD@HOST:PORT`, `smtp+tls://…` or `smtp+ssl://…`; "
        "`consolemail://` prints. Empty: no mail.",
        is_secret=True,
    )
    email_from: str = setting(
        "stable-cash-carry@localhost", "The address that mail of this service comes from."
    )
    log_level: str = setting(
        "INFO",
        f"Least level on the console: {', '.join(LOG_LEVELS)}. The `system_log` feed has INFO and "
        "above, whatever stands here.",
    )
    log_format: str = setting(
        "line", "How the console shows a record: `line` for people, `json` for programs."
    )

    @classmethod
    def names(cls) -> dict[str, dataclasses.Field[Any]]:
        """Every setting by its environment name, which has no prefix here."""
        return {field.name.upper(): field for field in dataclasses.fields(cls)}


@dataclass(frozen=True)
class DeskRealtimeSettings(RealtimeSettings):
    """The real-time layer's settings, under the name of this service."""

    service_name: str = setting(
        "Stable Cash & Carry", "What the service is called in `connection_established` and at `/`."
    )


GROUPS: tuple[tuple[str, type[SettingsGroup]], ...] = (
    ("The service", ServiceSettings),
    ("The real-time layer", DeskRealtimeSettings),
    ("The risk engine", RiskSettings),
)


@dataclass(frozen=True)
class Environment:
    """Everything that the environment says, checked."""

    service: ServiceSettings
    groups: tuple[SettingsGroup, ...]
    database: dict[str, Any]
    email: dict[str, Any]

    @property
    def realtime(self) -> RealtimeSettings:
        """The real-time layer's settings."""
        return next(group for group in self.groups if isinstance(group, RealtimeSettings))

    def group_values(self) -> Iterator[tuple[str, Any]]:
        """The `REALTIME_…` and `RISK_…` settings by name, for Django's settings."""
        for group in self.groups:
            for name, field in group.names().items():
                yield name, getattr(group, field.name)


def load(environ: Mapping[str, str]) -> Environment:
    """Read and check `environ`; raises InvalidSetting with one sentence for the first mistake."""
    service = ServiceSettings.read(_given(environ, ServiceSettings))
    _check_secret(service)
    _check_words(service)
    groups = tuple(
        group.read(_given(environ, group)) for _, group in GROUPS if group is not ServiceSettings
    )
    return Environment(
        service=service,
        groups=groups,
        database=_database(service.database_url),
        email=email_settings(service.email_url, groups),
    )


def _given(environ: Mapping[str, str], group: type[SettingsGroup]) -> dict[str, str]:
    """The variables of `group`, unknown ones of its prefix included; empty text counts as unset."""
    names = group.names()
    given = {}
    for name, value in environ.items():
        is_ours = name in names or (bool(group.prefix) and name.startswith(f"{group.prefix}_"))
        if not is_ours or name in CLIENT_VARIABLES:
            continue
        is_text = name in names and isinstance(names[name].default, str | tuple)
        if value.strip() or not is_text:
            given[name] = value
    return given


def _check_secret(service: ServiceSettings) -> None:
    if service.secret_key != DEVELOPMENT_SECRET_KEY:
        return
    if not service.debug:
        raise InvalidSetting(f"DEBUG=0 needs a SECRET_KEY of its own. {HOW_TO_MAKE_A_SECRET}")
    public = [host for host in service.allowed_hosts if host not in LOOPBACK_HOSTS]
    if public:
        raise InvalidSetting(
            f"ALLOWED_HOSTS names {public[0]}, so SECRET_KEY may not be the public one that "
            f"serves development on loopback. {HOW_TO_MAKE_A_SECRET}"
        )


def _check_words(service: ServiceSettings) -> None:
    if service.log_level not in LOG_LEVELS:
        raise InvalidSetting(
            f"LOG_LEVEL is {service.log_level!r}; it must be one of {', '.join(LOG_LEVELS)}."
        )
    if service.log_format not in LOG_FORMATS:
        raise InvalidSetting(
            f"LOG_FORMAT is {service.log_format!r}; it must be one of {', '.join(LOG_FORMATS)}."
        )
    if service.redis_url and not service.redis_url.startswith(REDIS_SCHEMES):
        raise InvalidSetting(
            "REDIS_URL must look like redis://HOST:PORT/0; unset it for one process without Redis."
        )


def _database(url: str) -> dict[str, Any]:
    # The message leaves the value out: it may hold a password.
    wanted = InvalidSetting(
        "DATABASE_URL must look like sqlite:///FILE or postgres://USER:PASSWORD@HOST:PORT/NAME; "
        "unset it for the file db.sqlite3."
    )
    if not url.startswith(DATABASE_SCHEMES):
        raise wanted
    try:
        config = dict(Env.db_url_config(url))
    except ValueError:
        raise wanted from None
    if not config["NAME"]:
        raise wanted
    if config["ENGINE"] == "django.db.backends.sqlite3":
        if config["NAME"] == ":memory:":
            raise InvalidSetting(
                "DATABASE_URL names a database in memory, which other processes and threads "
                "cannot see; use sqlite:///FILE."
            )
        config["NAME"] = str(ROOT / config["NAME"])
    return config


def settings_page() -> str:
    """docs/settings.md, from the declarations."""
    lines = [
        "# Settings",
        "",
        "Read from the environment at the start, all with defaults that work on one machine.",
        "A value that cannot work, or a `REALTIME_…` or `RISK_…` name that is not listed, stops",
        "the start with a sentence that says what to do. An empty text counts as unset.",
        "This page is generated: `make docs`.",
    ]
    for title, group in GROUPS:
        lines += ["", f"## {title}", "", "| name | default | meaning |", "|---|---|---|"]
        lines += [_settings_row(name, field) for name, field in group.names().items()]
    return "\n".join(lines) + "\n"


def _settings_row(name: str, field: dataclasses.Field[Any]) -> str:
    limits = [
        f"{word} {_shown(bound)}"
        for word, bound in (
            ("at least", field.metadata["minimum"]),
            ("at most", field.metadata["maximum"]),
        )
        if bound is not None
    ]
    meaning = field.metadata["help"] + (f" {', '.join(limits).capitalize()}." if limits else "")
    default = "public, for development" if name == "SECRET_KEY" else _shown(field.default)
    return f"| `{name}` | {default} | {meaning} |"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{int(value)}`"
    if isinstance(value, tuple):
        value = ",".join(value)
    if isinstance(value, Decimal):
        value = f"{value:f}"
    return f"`{value}`" if value != "" else "empty"


if __name__ == "__main__":
    print(settings_page(), end="")
