"""From commit to receipt: joins the writer's record with the clients', on one monotonic clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.records import percentile

SHARES = {"p50": 0.50, "p90": 0.90, "p99": 0.99, "p999": 0.999}
NS_PER_MS = 1_000_000


def summarise(
    changes: Sequence[Mapping[str, int]], receipts: Mapping[int, Sequence[int]]
) -> dict[str, Any]:
    """Percentiles over every delivery, in ms, from the commit and from the start of the save."""
    by_number = {change["number"]: change for change in changes}
    pairs = [
        (at_ns - by_number[number]["committed_ns"], at_ns - by_number[number]["started_ns"])
        for number, times in receipts.items()
        if number in by_number
        for at_ns in times
    ]
    ends = [at_ns for times in receipts.values() for at_ns in times]
    return {
        "deliveries": len(pairs),
        "from_commit_ms": _percentiles([commit for commit, _ in pairs]),
        "from_start_ms": _percentiles([start for _, start in pairs]),
        "first_receipt_ns": min(ends, default=0),
        "last_receipt_ns": max(ends, default=0),
    }


def _percentiles(nanoseconds: list[int]) -> dict[str, float]:
    if not nanoseconds:
        return {}
    ordered = sorted(nanoseconds)
    found = {name: percentile(ordered, share) for name, share in SHARES.items()}
    found |= {"max": ordered[-1], "min": ordered[0]}
    return {name: round(value / NS_PER_MS, 3) for name, value in found.items()}
