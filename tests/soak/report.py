"""What a run has to say: a table for people, a record for the proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.faults.support.verdict import Figures
from tests.soak.judge import Finding, Log, Point

HEADINGS = ("server", "figure", "early", "late", "allowed", "")
WORDS = {"resident_bytes": "memory, MiB"}


@dataclass
class Report:
    """Filled in while a run goes on."""

    seconds: float
    points: list[Point] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    log: Log | None = None
    promises: Figures | None = None
    counted: dict[str, Any] = field(default_factory=dict)
    injected: dict[str, int] = field(default_factory=dict)

    @property
    def is_flat(self) -> bool:
        """Whether nothing grew, and the log was pruned."""
        grown = any(not finding.is_flat for finding in self.findings)
        return not grown and self.log is not None and self.log.is_pruned

    def grown(self, server: str) -> set[str]:
        """The figures that have grown in one server."""
        return {each.figure for each in self.findings if each.server == server and not each.is_flat}

    def text(self) -> str:
        """The table, and below it what was counted."""
        rows = [HEADINGS, *map(_row, self.findings)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
        table = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([*table, "", *self._lines()])

    def as_dict(self) -> dict[str, Any]:
        """Everything, the series too, for the record."""
        return {
            "points": [asdict(point) for point in self.points],
            "findings": [asdict(finding) for finding in self.findings],
            "log": None if self.log is None else asdict(self.log),
            "promises": None if self.promises is None else self.promises.as_dict(),
            **self.counted,
        }

    def _lines(self) -> Sequence[str]:
        counted = {**self.counted, "faults": self.injected}
        lines = [f"{name}: {_list(numbers)}" for name, numbers in counted.items()]
        if self.promises is not None:
            lines.append(f"every promise kept: {_list(self.promises.as_dict())}")
        if self.log is not None:
            outcome = "pruned" if self.log.is_pruned else "NOT PRUNED"
            lines.append(
                f"event log: {self.log.events} events, at most {self.log.most_rows} rows "
                f"({self.log.allowed_rows} allowed): {outcome}"
            )
        return lines


def _row(finding: Finding) -> tuple[str, ...]:
    figure = WORDS.get(finding.figure, finding.figure.replace("_", " "))
    numbers = [f"{number:.1f}" for number in (finding.early, finding.late, finding.allowed)]
    return finding.server, figure, *numbers, "flat" if finding.is_flat else "GROWS"


def _list(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in numbers.items())
