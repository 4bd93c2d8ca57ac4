"""What is made of the raw times: percentiles, medians, and a verdict on each goal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import machine
from benchmarks.latency import summarise
from benchmarks.records import Figure, Outcome, percentile, write_records
from benchmarks.saving import make_plain_twin
from benchmarks.table import all_doubts, cells, markdown_table, shown
from benchmarks.workloads import WORKLOADS

MS = 1_000_000


def test_latency_is_counted_from_each_change_to_each_of_its_receipts() -> None:
    changes = [
        {"number": 0, "started_ns": 0, "committed_ns": 1 * MS},
        {"number": 1, "started_ns": 5 * MS, "committed_ns": 6 * MS},
    ]
    found = summarise(changes, {0: [3 * MS, 4 * MS], 1: [7 * MS], 99: [8 * MS]})
    assert found["deliveries"] == 3
    assert found["from_commit_ms"]["min"] == 1.0
    assert found["from_commit_ms"]["max"] == 3.0
    assert found["from_start_ms"]["max"] == 4.0
    assert found["last_receipt_ns"] == 8 * MS


def test_nothing_received_has_no_percentiles() -> None:
    assert summarise([], {})["from_commit_ms"] == {}


def test_percentiles_are_values_that_were_measured() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert percentile(ordered, 0.5) == 51.0
    assert percentile(ordered, 0.99) == 100.0
    assert percentile([4.0], 0.99) == 4.0


@pytest.mark.parametrize(
    ("value", "goal", "more_is_better", "verdict"),
    [
        (1.8, 1.8, False, True),
        (1.9, 1.8, False, False),
        (2000.0, 2000.0, True, True),
        (1999.0, 2000.0, True, False),
        (5.0, None, False, None),
    ],
)
def test_a_goal_is_reached_at_its_very_value(
    value: float, goal: float | None, more_is_better: bool, verdict: bool | None
) -> None:
    figure = Figure("w", "f", value, "×", goal, more_is_better)
    assert figure.is_reached is verdict


def test_a_doubtful_figure_says_so_in_the_table() -> None:
    figure = Figure("paced", "p50", 12.34, "ms", 40.0, doubts=("noise",))
    assert cells(figure) == ("paced", "p50", "12.3 ms", "≤ 40 ms", "yes ?")
    assert all_doubts([figure, figure]) == ["paced: noise"]
    assert markdown_table([figure]).splitlines()[-1] == (
        "| paced | p50 | 12.3 ms | ≤ 40 ms | yes ? |"
    )


def test_numbers_are_shown_with_the_digits_that_count() -> None:
    assert [shown(value) for value in (1234.5, 12.345, 1.2345)] == ["1,234", "12.3", "1.23"]


def test_records_are_written_beside_what_they_were_measured_on(tmp_path: Path) -> None:
    outcome = Outcome([Figure("idle", "f", 1.0, "KB")], [{"clients": 5}])
    path = write_records(tmp_path / "out", "idle", outcome, machine.describe())
    content = json.loads(path.read_text())
    assert content["records"] == [{"clients": 5}]
    assert content["machine"]["packages"]["Django"]


def test_every_workload_can_be_named() -> None:
    assert set(WORKLOADS) == {"paced", "publish", "relay", "idle"}


def test_the_plain_twin_writes_the_same_table_and_nobody_listens() -> None:
    from django.db.models.signals import post_save

    from trading.models import Account, Position

    before = Account.positions
    twin = make_plain_twin(Position)
    assert twin._meta.db_table == Position._meta.db_table
    assert [field.column for field in twin._meta.concrete_fields] == [
        field.column for field in Position._meta.concrete_fields
    ]
    assert not post_save.has_listeners(twin)
    assert Account.positions is before
