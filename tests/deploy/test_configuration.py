"""compose, the units and the environment example: they fit each other, and the project."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from project.cluster.nginx import DEFAULTS
from project.environment import GROUPS, load
from realtime.conf import InvalidSetting, RealtimeSettings
from tests.e2e.support.processes import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
UNITS = sorted((DEPLOY / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
INSTALLED_AT = "/opt/stable-cash-carry"
FILLED_IN = {
    "SECRET_KEY": "a-secret-of-a-test-that-is-longer-than-fifty-characters",
    "ALLOWED_HOSTS": "desk.example",
    "DATABASE_URL": "postgres://realtime:secret@127.0.0.1:5432/realtime",
    "POSTGRES_PASSWORD": "secret",
}
DRAIN_SECONDS = RealtimeSettings().drain_seconds


def example() -> dict[str, str]:
    """The variables of env.example."""
    lines = (DEPLOY / "env.example").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return document


def unit(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(path, encoding="utf-8")
    return parser


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


# The environment.


def test_example_holds_no_secret_and_does_not_start_without_one() -> None:
    variables = example()
    assert {variables[name] for name in FILLED_IN} == {""}
    with pytest.raises(InvalidSetting, match="SECRET_KEY"):
        load(variables)


def test_example_has_only_variables_that_somebody_reads() -> None:
    ours = {name for _, group in GROUPS for name in group.names()}
    composes = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text(encoding="utf-8")))
    assert example().keys() <= ours | composes


def test_example_starts_in_production_without_a_warning() -> None:
    run = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=example() | FILLED_IN,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "no issues" in run.stdout


# compose.


def test_every_variable_of_compose_is_in_the_example() -> None:
    assert set(re.findall(r"\$\{(\w+)", COMPOSE.read_text(encoding="utf-8"))) <= example().keys()


def test_compose_has_no_secret_and_asks_for_each() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "ALLOWED_HOSTS"):
        uses = re.findall(rf"\${{{name}(..)", text)
        assert uses
        assert set(uses) == {":?"}


def test_servers_are_reached_through_nginx_alone() -> None:
    services = compose()["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]
    assert "--proxy-headers" in services["web"]["command"]
    assert services["simulator"]["profiles"] == ["simulator"]
    assert services["migrate"]["restart"] == "no"


def test_servers_of_compose_are_checked_as_several_hosts() -> None:
    environment = compose()["services"]["web"]["environment"]
    filled = {
        name: re.sub(r"\$\{(\w+)[^}]*\}", lambda found: (example() | FILLED_IN)[found[1]], value)
        for name, value in environment.items()
    }
    assert load(example() | filled).realtime.hosts > 1


def test_containers_have_longer_to_stop_than_clients_to_leave() -> None:
    services = compose()["services"]
    for name in ("web", "nginx", "simulator"):
        assert seconds(services[name]["stop_grace_period"]) > DRAIN_SECONDS
    # PostgreSQL's and nginx's defaults are not the orderly ones.
    assert services["postgres"]["stop_signal"] == "SIGINT"
    assert services["nginx"]["stop_signal"] == "SIGQUIT"


def test_files_that_compose_names_exist() -> None:
    services = compose()["services"]
    build = services["web"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).exists()
    for volume in services["nginx"]["volumes"]:
        source = volume.split(":")[0]
        assert source.startswith("${") or (DEPLOY / source).exists(), volume


def test_nginx_of_compose_fills_in_every_placeholder() -> None:
    given = {name for name in compose()["services"]["nginx"]["environment"] if name in DEFAULTS}
    assert given == DEFAULTS.keys()


# systemd.


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit_has_the_parts_of_one(path: Path) -> None:
    parsed = unit(path)
    assert parsed["Unit"]["Description"]
    kind = "Service" if path.suffix == ".service" else "Install"
    assert kind in parsed


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_service_is_no_root_and_names_what_exists(path: Path) -> None:
    service = unit(path)["Service"]
    assert service["DynamicUser"] == service["NoNewPrivileges"] == "yes"
    assert service["WorkingDirectory"] == INSTALLED_AT
    python, *arguments = service["ExecStart"].split()
    assert python == f"{INSTALLED_AT}/.venv/bin/python"
    module = (
        ROOT.joinpath(*arguments[1].split(".")) if arguments[0] == "-m" else ROOT / arguments[0]
    )
    assert module.exists()


def test_server_unit_drains_and_believes_its_proxy() -> None:
    service = unit(DEPLOY / "systemd" / "realtime-web@.service")["Service"]
    assert service["Type"] == "exec"
    assert service["KillSignal"] == "SIGTERM"
    assert float(service["TimeoutStopSec"]) > DRAIN_SECONDS
    # Any client could name any address to a server that listens elsewhere.
    assert "-b 127.0.0.1 -p %i --proxy-headers" in service["ExecStart"]


def test_nginx_asks_the_servers_that_the_target_starts() -> None:
    target = unit(DEPLOY / "systemd" / "realtime-web.target")["Unit"]
    ports = re.findall(r"realtime-web@(\d+)\.service", target["Wants"])
    assert re.findall(r"127\.0\.0\.1:(\d+)", DEFAULTS["NGINX_UPSTREAM"]) == ports


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_finds_nothing_to_say_about_a_unit(path: Path, tmp_path: Path) -> None:
    for each in UNITS:
        text = each.read_text(encoding="utf-8").replace(
            f"{INSTALLED_AT}/.venv/bin/python", sys.executable
        )
        (tmp_path / each.name).write_text(text, encoding="utf-8")
    run = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / path.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
