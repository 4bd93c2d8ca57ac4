"""Every workload by its name: what it measures is said at the top of its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.records import Outcome
from benchmarks.workloads import idle, paced, publish, relay

# Each takes whether it is to be quick.
WORKLOADS: Mapping[str, Callable[[bool], Outcome]] = {
    "paced": paced.measure,
    "publish": publish.measure,
    "relay": relay.measure,
    "idle": idle.measure,
}
