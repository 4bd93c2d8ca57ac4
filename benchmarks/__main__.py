"""`python -m benchmarks [--quick] [--out FOLDER] [name …]`: measure, and print one table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from benchmarks import machine
from benchmarks.databases import Missing, missing_services
from benchmarks.records import Figure, write_records
from benchmarks.stage import Failed
from benchmarks.table import markdown_table, print_table
from benchmarks.workloads import WORKLOADS


def main() -> int:
    """Run the workloads named, or all; returns the exit code: 1 when one could not be measured."""
    options = _read_options()
    progress = Console(stderr=True)
    # A file has no width of its own.
    console = Console(width=None if sys.stdout.isatty() else 130)
    machine.allow_many_files()
    for sentence in missing_services():
        progress.print(sentence, style="bold yellow", markup=False)
    facts = machine.describe()
    figures: list[Figure] = []
    failures = 0
    for name in options.names or WORKLOADS:
        progress.print(f"{name} …", style="dim")
        try:
            outcome = WORKLOADS[name](options.quick)
        except (Failed, Missing) as error:
            progress.print(f"{name} was not measured: {error}", style="bold red", markup=False)
            failures += 1
            continue
        figures += outcome.figures
        if options.out is not None:
            write_records(options.out, name, outcome, facts)
    if options.out is not None:
        (options.out / "table.md").write_text(markdown_table(figures), encoding="utf-8")
    print_table(figures, console)
    return 1 if failures else 0


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of: {', '.join(WORKLOADS)}")
    parser.add_argument("--quick", action="store_true", help="small and rough: a minute in all")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write the raw records there")
    options = parser.parse_args()
    for name in options.names:
        if name not in WORKLOADS:
            parser.error(f"there is no workload {name!r}; there are: {', '.join(WORKLOADS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
