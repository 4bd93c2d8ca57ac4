"""Dashboard, alerts and docs/metrics.md speak of metrics that exist, and of all of ours."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.realtime.metrics.scrapes import Scrape

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text(encoding="utf-8"))
ALERTS = (ROOT / "deploy/prometheus/alerts.yaml").read_text(encoding="utf-8")
ALERTS_TEST = (ROOT / "deploy/prometheus/alerts.test.yaml").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
METRIC = re.compile(r"\b(?:realtime|process|python)_[a-z_]+\b")
OF_A_HISTOGRAM = re.compile(r"_(?:bucket|count|sum)$")
# Grafana's grid.
WIDTH = 24
SECONDS = 60

with_promtool = [
    pytest.mark.services,
    pytest.mark.skipif(
        shutil.which("promtool") is None, reason="needs promtool: Debian's package prometheus"
    ),
]


@pytest.fixture(scope="module")
def exposed() -> set[str]:
    """The names of all samples, whose feeds and codes are there from the start."""
    return Scrape().names()


def ours(names: set[str]) -> set[str]:
    """The metrics of ours among samples' names, each histogram once."""
    return {OF_A_HISTOGRAM.sub("", name) for name in names if name.startswith("realtime_")}


def expressions(panels: list[dict[str, Any]]) -> Iterator[str]:
    for panel in panels:
        yield from (target["expr"] for target in panel.get("targets", ()))
        yield from expressions(panel.get("panels", []))


def alert_names() -> list[str]:
    return re.findall(r"- alert: (\w+)", ALERTS)


@pytest.mark.django_db(transaction=True)
def test_dashboard_asks_for_metrics_that_exist(exposed: set[str]) -> None:
    found = list(expressions(DASHBOARD["panels"]))
    assert len(found) > 20
    named = {name for text in found for name in METRIC.findall(text)}
    assert named - {"realtime"} <= exposed


@pytest.mark.django_db(transaction=True)
def test_dashboard_leaves_out_nothing_of_ours(exposed: set[str]) -> None:
    named = {
        OF_A_HISTOGRAM.sub("", name)
        for text in expressions(DASHBOARD["panels"])
        for name in METRIC.findall(text)
    }
    # How many subscriptions differ is for who tunes, and snapshots are shown in bytes.
    assert ours(exposed) - named == {"realtime_audiences", "realtime_snapshots_sent_total"}


def test_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not taken & cells, panel["title"]
        assert place["x"] + place["w"] <= WIDTH
        taken |= cells
        assert panel["type"] == "row" or panel["description"], panel["title"]


@pytest.mark.django_db(transaction=True)
def test_alerts_are_about_metrics_that_exist(exposed: set[str]) -> None:
    named = {
        name
        for line in re.findall(r"expr: (.*)", ALERTS + ALERTS_TEST)
        for name in METRIC.findall(line)
    }
    assert named
    assert named <= exposed


def test_every_alert_says_what_to_do_and_is_tested() -> None:
    names = alert_names()
    assert len(names) == len(set(names)) > 10
    assert re.findall(r"runbook: (\S+)", ALERTS) == [
        f"docs/operations.md#{name.lower()}" for name in names
    ]
    for annotation in ("summary", "description", "runbook"):
        assert ALERTS.count(f"          {annotation}: ") == len(names)
    assert set(re.findall(r'alertname="(\w+)"', ALERTS_TEST)) == set(names)
    assert set(re.findall(r"`(Realtime[A-Za-z]+)`", PAGE)) == set(names)


@pytest.mark.django_db(transaction=True)
def test_page_explains_every_metric_of_ours_and_no_other(exposed: set[str]) -> None:
    rows = set(re.findall(r"^\| `(realtime_[a-z_]+)", PAGE, re.MULTILINE))
    assert rows == ours(exposed)


def promtool(*arguments: str, text: str = "") -> str:
    run = subprocess.run(
        ["promtool", *arguments],
        cwd=ROOT,
        input=text,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


class TestPromtool:
    """As Prometheus itself reads these files."""

    pytestmark = with_promtool

    def test_rules_are_valid(self) -> None:
        assert f"{len(alert_names())} rules found" in promtool(
            "check", "rules", "deploy/prometheus/alerts.yaml"
        )

    def test_alerts_fire_when_they_should(self) -> None:
        assert "SUCCESS" in promtool("test", "rules", "deploy/prometheus/alerts.test.yaml")

    def test_configuration_is_valid(self) -> None:
        assert "SUCCESS" in promtool("check", "config", "deploy/prometheus/prometheus.yaml")
