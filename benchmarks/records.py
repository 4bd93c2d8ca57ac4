"""What a workload finds: figures for the table, records with everything for later readers."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table; without a `goal` it informs only."""

    workload: str
    what: str
    value: float
    unit: str
    goal: float | None = None
    more_is_better: bool = False
    # Why the figure may not be trusted; empty when nothing speaks against it.
    doubts: tuple[str, ...] = ()

    @property
    def is_reached(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.more_is_better else self.value <= self.goal


@dataclass(slots=True)
class Outcome:
    """A workload's figures and, for each of its runs, the raw record."""

    figures: list[Figure] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)


def median(values: Iterable[float]) -> float:
    """The middle one of several runs."""
    return statistics.median(values)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of `ordered`, which is sorted, lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def write_records(folder: Path, name: str, outcome: Outcome, machine: dict[str, object]) -> Path:
    """Write a workload's records beside what they were measured on; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    content = {
        "workload": name,
        "machine": machine,
        "figures": [asdict(figure) for figure in outcome.figures],
        "records": outcome.records,
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
