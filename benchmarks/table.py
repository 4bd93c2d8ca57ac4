"""The table that a run prints, and the same for a document."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.records import Figure

COLUMNS = ("workload", "figure", "measured", "goal", "reached")
VERDICTS = {True: "yes", False: "no", None: ""}
STYLES = {True: "green", False: "bold red", None: ""}


def print_table(figures: Sequence[Figure], console: Console) -> None:
    """Print every figure, its goal, and whether it is reached; below it what casts doubt on it."""
    table = Table(*COLUMNS)
    for figure in figures:
        table.add_row(*cells(figure), style=STYLES[figure.is_reached])
    console.print(table)
    for number, doubt in enumerate(all_doubts(figures), start=1):
        console.print(f"[{number}] {doubt}", markup=False, style="yellow")


def markdown_table(figures: Sequence[Figure]) -> str:
    """The same table for a document."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(cells(figure) for figure in figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def cells(figure: Figure) -> tuple[str, ...]:
    """One line of the table."""
    sign = "≥" if figure.more_is_better else "≤"
    goal = "" if figure.goal is None else f"{sign} {figure.goal:g} {figure.unit}"
    verdict = VERDICTS[figure.is_reached] + (" ?" if figure.doubts else "")
    measured = f"{shown(figure.value)} {figure.unit}"
    return figure.workload, figure.what, measured, goal, verdict.strip()


def all_doubts(figures: Sequence[Figure]) -> list[str]:
    """Every doubt once."""
    texts = (f"{figure.workload}: {doubt}" for figure in figures for doubt in figure.doubts)
    return list(dict.fromkeys(texts))


def shown(value: float) -> str:
    """Three digits that count, and no more."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
