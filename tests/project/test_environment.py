"""The environment becomes checked settings, or one sentence that says what to do."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from decimal import Decimal

import pytest

from project.environment import DEVELOPMENT_SECRET_KEY, GROUPS, ROOT, load
from realtime.conf import InvalidSetting

SECRET = {"SECRET_KEY": secrets.token_urlsafe(50)}


def run_python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A real start, with nothing of ours in the environment but `variables`."""
    environ = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "project.settings"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def values(environ: dict[str, str]) -> dict[str, object]:
    return dict(load(environ).group_values())


def test_empty_environment_works() -> None:
    environment = load({})
    assert environment.service.debug
    assert environment.service.secret_key == DEVELOPMENT_SECRET_KEY
    assert environment.database["ENGINE"] == "django.db.backends.sqlite3"
    assert environment.database["NAME"] == str(ROOT / "db.sqlite3")


def test_every_default_passes_its_own_checks_when_it_is_written_out() -> None:
    for _, group in GROUPS:
        for name, field in group.names().items():
            default = field.default
            text = ",".join(default) if isinstance(default, tuple) else str(default)
            load({name: text})


def test_values_have_the_types_of_their_declarations() -> None:
    read = values(
        {
            "REALTIME_HEARTBEAT_SECONDS": "2.5",
            "REALTIME_ALLOW_ANONYMOUS": "yes",
            "REALTIME_ANONYMOUS_FEEDS": "position_update, system_log",
            "REALTIME_MAX_CONNECTIONS": "7",
            "RISK_DRAWDOWN_LIMIT": "0.08",
        }
    )
    assert read["REALTIME_HEARTBEAT_SECONDS"] == 2.5
    assert read["REALTIME_ALLOW_ANONYMOUS"] is True
    assert read["REALTIME_ANONYMOUS_FEEDS"] == ("position_update", "system_log")
    assert read["REALTIME_MAX_CONNECTIONS"] == 7
    assert read["RISK_DRAWDOWN_LIMIT"] == Decimal("0.08")


@pytest.mark.parametrize("name", ["SECRET_KEY", "REDIS_URL", "DATABASE_URL", "ALLOWED_HOSTS"])
def test_empty_text_counts_as_unset(name: str) -> None:
    assert load({name: ""}) == load({})


def test_empty_debug_is_refused_since_it_could_be_meant_either_way() -> None:
    with pytest.raises(InvalidSetting, match="DEBUG is ''"):
        load({"DEBUG": ""})


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DEBUG", "maybe", "DEBUG is 'maybe', which is not yes or no"),
        ("REALTIME_MAX_CONNECTIONS", "many", "is not a whole number"),
        ("REALTIME_MAX_CONNECTIONS", "0", "REALTIME_MAX_CONNECTIONS is '0'; it must be at least 1"),
        ("REALTIME_HEARTBEAT_SECONDS", "nan", "is not a number"),
        ("RISK_DAILY_LOSS_LIMIT", "3", "it must be at most 1"),
        ("RISK_DAILY_LOSS_LIMIT", "3%", "is not a decimal number"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL is 'LOUD'; it must be one of DEBUG, INFO"),
        ("LOG_FORMAT", "xml", "LOG_FORMAT is 'xml'; it must be one of line, json"),
        ("REDIS_URL", "127.0.0.1:6379", "REDIS_URL must look like redis://HOST:PORT/0"),
        ("DATABASE_URL", "mysql://root@127.0.0.1/x", "DATABASE_URL must look like sqlite:///FILE"),
        ("DATABASE_URL", "postgres://127.0.0.1:5432", "DATABASE_URL must look like"),
        ("DATABASE_URL", "postgres://u@h:port/x", "DATABASE_URL must look like"),
        ("DATABASE_URL", "nonsense", "DATABASE_URL must look like"),
        ("DATABASE_URL", "sqlite://", "a database in memory"),
        ("DATABASE_URL", "sqlite:///:memory:", "a database in memory"),
    ],
)
def test_bad_value_is_refused_with_its_name(name: str, value: str, sentence: str) -> None:
    with pytest.raises(InvalidSetting) as refusal:
        load({name: value})
    assert sentence in str(refusal.value)
    assert name in str(refusal.value)


def test_refused_database_url_does_not_show_its_password() -> None:
    with pytest.raises(InvalidSetting) as refusal:
        load({"DATABASE_URL": "mysql://desk:hunter2@127.0.0.1/x"})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [
        ("REALTIME_HEARTBEAT_SECOND", "REALTIME_HEARTBEAT_SECONDS"),
        ("REALTIME_HISTORY_HOUR", "REALTIME_HISTORY_HOURS"),
        ("RISK_DRAWDOWN", "RISK_DRAWDOWN_LIMIT"),
    ],
)
def test_unknown_name_is_refused_with_the_nearest_one(unknown: str, nearest: str) -> None:
    with pytest.raises(InvalidSetting, match=f"{unknown} is not a setting. Did you mean {nearest}"):
        load({unknown: "1"})


def test_names_of_clients_and_of_others_are_left_alone() -> None:
    assert load(dict.fromkeys("x") | {"PATH": "/bin", "_": "/bin/make"})


def test_sqlite_file_is_found_from_any_folder() -> None:
    assert load({"DATABASE_URL": "sqlite:///data/x.db"}).database["NAME"] == str(ROOT / "data/x.db")
    assert load({"DATABASE_URL": "sqlite:////srv/x.db"}).database["NAME"] == "/srv/x.db"


def test_postgres_url_is_taken_apart() -> None:
    database = load(
        {"DATABASE_URL": "postgres://desk:p%40ss@db:6543/feed?sslmode=require"}
    ).database
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["USER"], database["PASSWORD"]) == ("desk", "p@ss")
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db", 6543, "feed")
    assert database["OPTIONS"] == {"sslmode": "require"}


def test_production_needs_a_secret() -> None:
    with pytest.raises(
        InvalidSetting, match=r"DEBUG=0 needs a SECRET_KEY of its own\. Make one with"
    ):
        load({"DEBUG": "0"})
    with pytest.raises(InvalidSetting, match="DEBUG=0 needs a SECRET_KEY"):
        load({"DEBUG": "0", "SECRET_KEY": DEVELOPMENT_SECRET_KEY})
    assert not load({"DEBUG": "0"} | SECRET).service.debug


def test_public_host_needs_a_secret_even_in_debug() -> None:
    with pytest.raises(InvalidSetting, match=r"ALLOWED_HOSTS names desk\.example"):
        load({"ALLOWED_HOSTS": "localhost,desk.example"})
    hosts = load({"ALLOWED_HOSTS": "localhost,desk.example"} | SECRET).service.allowed_hosts
    assert hosts == ("localhost", "desk.example")


@pytest.mark.parametrize(
    "start",
    [
        ("manage.py", "check"),
        ("manage.py", "migrate"),
        ("-m", "realtime.daphne", "-p", "0", "project.asgi:application"),
        ("-m", "project.demo"),
    ],
    ids=" ".join,
)
def test_refused_start_prints_one_sentence_and_no_traceback(start: tuple[str, ...]) -> None:
    run = run_python(*start, DEBUG="0")
    assert run.returncode == 1
    assert run.stdout == ""
    (line,) = run.stderr.strip().splitlines()
    assert line.startswith(
        "Not started: DEBUG=0 needs a SECRET_KEY of its own. Make one with: python"
    )


def test_command_that_the_refusal_names_makes_a_secret_that_is_accepted() -> None:
    sentence = run_python("manage.py", "check", DEBUG="0").stderr
    code = sentence.split("python -c '")[1].split("'")[0]
    secret = run_python("-c", code).stdout.strip()
    run = run_python("manage.py", "check", DEBUG="0", SECRET_KEY=secret)
    assert run.returncode == 0, run.stderr


def test_production_passes_the_deployment_checks() -> None:
    run = run_python(
        "manage.py", "check", "--deploy", "--fail-level", "WARNING", DEBUG="0", **SECRET
    )
    assert run.returncode == 0, run.stderr


def test_settings_page_is_what_the_declarations_say() -> None:
    page = run_python("-m", "project.environment")
    assert page.returncode == 0, page.stderr
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == page.stdout, (
        "docs/settings.md is not up to date. Run: make docs"
    )


def test_mail_is_sent_by_the_server_that_email_url_names() -> None:
    email = load({"EMAIL_URL": "smtp+tls://desk:p%40ss@mail.example"}).email
    assert email["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (email["EMAIL_HOST"], email["EMAIL_PORT"]) == ("mail.example", 587)
    assert (email["EMAIL_HOST_USER"], email["EMAIL_HOST_PASSWORD"]) == ("desk", "p@ss")
    assert email["EMAIL_USE_TLS"] is True
    assert load({"EMAIL_URL": "smtp://127.0.0.1:2525"}).email["EMAIL_PORT"] == 2525
    assert load({}).email == {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}


def test_alerts_by_mail_need_a_mail_server() -> None:
    addresses = {"RISK_ALERT_EMAILS": "desk@example.test"}
    with pytest.raises(InvalidSetting, match="RISK_ALERT_EMAILS needs EMAIL_URL"):
        load(addresses)
    assert values(addresses | {"EMAIL_URL": "consolemail://"})["RISK_ALERT_EMAILS"] == (
        "desk@example.test",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMAIL_URL", "mailto:hunter2@mail.example"),
        ("EMAIL_URL", "smtp://desk:hunter2@"),
        ("EMAIL_URL", "smtp://desk:hunter2@mail.example:port"),
        ("EMAIL_URL", "hunter2"),
        ("RISK_WEBHOOK_URL", "file:///hunter2"),
        ("RISK_WEBHOOK_URL", "https:///hunter2"),
        ("RISK_WEBHOOK_URL", "https://desk:hunter2@hooks.example/"),
        ("RISK_WEBHOOK_URL", "https://hooks.example:99999/hunter2"),
        ("RISK_WEBHOOK_URL", "https://hooks.example/hunter2 3"),
        ("RISK_WEBHOOK_URL", "hooks.example/hunter2"),
    ],
)
def test_an_address_that_cannot_work_is_refused_without_showing_it(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^{name} must look like") as refusal:
        load({name: value})
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_settings_that_are_printed_leave_their_secrets_out() -> None:
    environment = load(
        {
            "SECRET_KEY": "hunter2",
            "DATABASE_URL": "postgres://desk:hunter2@db/feed",
            "EMAIL_URL": "smtp://desk:hunter2@mail.example",
            "RISK_WEBHOOK_URL": "https://hooks.example/hunter2",
            "RISK_WEBHOOK_SECRET": "hunter2",
        }
    )
    shown = repr((environment.service, environment.groups))
    assert "hunter2" not in shown
    assert "stale_seconds=300.0" in shown
