"""The judge: a leak is found, noise is not."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from tests.soak.judge import MEBIBYTE, Finding, Log, Point, judge

ROUNDS = 6
SERVER = "server-1"
# What two quiet points of the same process differed by in memory, at most.
NOISE_MEBIBYTES = 1.0


def make_point(number: int, server: str = SERVER, **changes: float) -> Point:
    values = {
        "resident_bytes": 100.0 * MEBIBYTE,
        "descriptors": 20.0,
        "threads": 15.0,
        "database_connections": 2.0,
        "strangers": 0.0,
    } | changes
    return Point(server, float(number), **{name: int(value) for name, value in values.items()})


def make_series(figure: str, reading: Callable[[int], float]) -> list[Point]:
    return [make_point(number, **{figure: reading(number)}) for number in range(ROUNDS)]


def grown(points: Sequence[Point]) -> set[str]:
    return {finding.figure for finding in judge(points) if not finding.is_flat}


def test_process_that_holds_the_same_is_flat() -> None:
    assert grown([make_point(number) for number in range(ROUNDS)]) == set()


@pytest.mark.parametrize(
    ("figure", "a_round"),
    [
        ("resident_bytes", 2 * MEBIBYTE),
        ("descriptors", 2),
        ("threads", 1),
        ("database_connections", 1),
        ("strangers", 1),
    ],
)
def test_figure_that_rises_with_each_round_grows(figure: str, a_round: float) -> None:
    start = make_point(0)
    points = make_series(figure, lambda number: getattr(start, figure) + number * a_round)
    assert grown(points) == {figure}


def test_one_high_reading_is_no_growth() -> None:
    for figure in ("resident_bytes", "descriptors", "threads", "database_connections"):
        start = getattr(make_point(0), figure)
        for peak in range(ROUNDS):
            points = make_series(figure, lambda number: start * (2 if number == peak else 1))  # noqa: B023
            assert grown(points) == set(), (figure, peak)


def test_noise_of_memory_is_no_growth() -> None:
    chooser = random.Random(7)
    for _ in range(200):
        points = make_series(
            "resident_bytes",
            lambda _: (100 + chooser.uniform(-1, 1) * NOISE_MEBIBYTES) * MEBIBYTE,
        )
        assert grown(points) == set()


def test_leak_is_found_through_the_noise() -> None:
    chooser = random.Random(7)
    for _ in range(200):
        points = make_series(
            "resident_bytes",
            lambda number: (100 + 3 * number + chooser.uniform(-1, 1) * NOISE_MEBIBYTES) * MEBIBYTE,
        )
        assert grown(points) == {"resident_bytes"}


def test_each_server_is_judged_by_itself() -> None:
    steady = [make_point(number, "server-2") for number in range(ROUNDS)]
    leaking = make_series("threads", lambda number: 15 + 4 * number)
    found = {(each.server, each.figure) for each in judge([*steady, *leaking]) if not each.is_flat}
    assert found == {(SERVER, "threads")}


def test_few_points_are_refused() -> None:
    with pytest.raises(AssertionError, match="say nothing"):
        judge([make_point(number) for number in range(3)])


def test_connection_that_nobody_has_is_one_too_many_whenever_it_is_seen() -> None:
    points = make_series("strangers", lambda number: 1)
    assert grown(points) == {"strangers"}


@pytest.mark.parametrize(
    ("log", "is_pruned"),
    [
        (Log(events=1000, most_rows=300, allowed_rows=400), True),
        (Log(events=1000, most_rows=1000, allowed_rows=400), False),
        # So few events that nothing was beyond the history.
        (Log(events=300, most_rows=300, allowed_rows=400), False),
    ],
)
def test_log_is_pruned_when_its_rows_stay_below_what_was_committed(
    log: Log, is_pruned: bool
) -> None:
    assert log.is_pruned is is_pruned


def test_finding_at_its_limit_is_flat() -> None:
    assert Finding(SERVER, "threads", early=10, late=12, allowed=12).is_flat
    assert not Finding(SERVER, "threads", early=10, late=13, allowed=12).is_flat
