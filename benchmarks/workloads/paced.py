"""paced: many clients and a steady trickle of changes; how long from commit to receipt."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.databases import usable_databases
from benchmarks.machine import core_busy_seconds, cpu_seconds
from benchmarks.paths import WRITER_PATH
from benchmarks.records import Figure, Outcome, median
from benchmarks.stage import Failed, Server, Stage, open_stage

POSITIONS = 20
PER_SECOND = 20.0
GOAL_P50_MS = 40.0
GOAL_P99_MS = 120.0
# A generator that is busier than this measures itself.
BUSIEST_GENERATOR = 0.8
# What others may use of the server's core before a run is in doubt.
MOST_FOREIGN_SHARE = 0.1
WARM_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much load for how long, how often."""

    clients: int
    seconds: float
    rounds: int


FULL = Size(clients=1000, seconds=15.0, rounds=3)
QUICK = Size(clients=200, seconds=4.0, rounds=1)
ANOTHER, SAME = "writer in another process", "writer in the server"


def measure(is_quick: bool) -> Outcome:
    """Run the variants in turn, several rounds of each."""
    size = QUICK if is_quick else FULL
    outcome = Outcome()
    variants = [(kind, writer) for kind in usable_databases() for writer in (ANOTHER, SAME)]
    for number in range(size.rounds):
        for kind, writer in variants:
            record = run(kind, writer, size, seed=number)
            outcome.records.append({"database": kind, "writer": writer, "round": number} | record)
    for kind, writer in variants:
        same = [r for r in outcome.records if (r["database"], r["writer"]) == (kind, writer)]
        outcome.figures += figures(f"{kind}, {writer}", same, size)
    return outcome


def run(kind: str, writer: str, size: Size, *, seed: int) -> dict[str, Any]:
    """One round on a fresh database and server."""
    with open_stage(kind, positions=POSITIONS) as stage:
        server = stage.serve()
        load = stage.generate()
        connecting = load.connect(server, clients=size.clients)
        time.sleep(WARM_UP_SECONDS)
        order = {
            "per_second": PER_SECOND,
            "seconds": size.seconds,
            "seed": seed,
            "out": str(stage.folder / "changes.json"),
        }
        before = time.monotonic(), cpu_seconds(server.pid), core_busy_seconds(server.core)
        write(stage, server, writer, order)
        received = load.finish(changes=Path(order["out"]))
        wall = time.monotonic() - before[0]
        used = cpu_seconds(server.pid) - before[1]
        busy = core_busy_seconds(server.core) - before[2]
    if not received["is_complete"]:
        raise Failed(f"{received['deliveries']} of {received['wanted']} deliveries arrived")
    return received | {
        "connect_seconds": connecting["seconds"],
        "wall_seconds": wall,
        "server_cpu_seconds": used,
        "server_share": used / wall,
        "foreign_share": max(0.0, busy - used) / wall,
        "cpu_us_per_delivery": used * 1e6 / max(1, received["deliveries"]),
    }


def write(stage: Stage, server: Server, writer: str, order: dict[str, Any]) -> None:
    """Have the changes made, and return when they are; raises Failed when they are not."""
    if writer == ANOTHER:
        stage.run("benchmarks.writing", order)
        return
    server.ask(WRITER_PATH, order)
    out, deadline = Path(order["out"]), time.monotonic() + 3 * order["seconds"] + 30
    while not out.exists():
        if time.monotonic() > deadline:
            raise Failed("the writer in the server does not finish")
        time.sleep(0.1)


def figures(name: str, records: list[dict[str, Any]], size: Size) -> list[Figure]:
    """The table's lines of one variant: medians of its rounds."""
    found = tuple(doubts(records))

    def line(what: str, values: list[float], unit: str, goal: float | None = None) -> Figure:
        return Figure("paced", f"{name}: {what}", median(values), unit, goal, doubts=found)

    p50 = [record["from_commit_ms"]["p50"] for record in records]
    p99 = [record["from_commit_ms"]["p99"] for record in records]
    cpu = [record["cpu_us_per_delivery"] for record in records]
    rate = f"{size.clients:,} × {PER_SECOND:g}/s"
    return [
        line(f"{rate}, commit to client p50", p50, "ms", GOAL_P50_MS),
        line(f"{rate}, commit to client p99", p99, "ms", GOAL_P99_MS),
        line(f"{rate}, CPU a delivery", cpu, "µs"),
    ]


def doubts(records: list[dict[str, Any]]) -> set[str]:
    """What makes the figures of these runs less than certain."""
    found = set()
    for record in records:
        if record["problem_count"] or record["lost"] or record["resyncs"]:
            found.add(f"void: not everything was received in order: {record['problems']}")
        if record["generator_share"] > BUSIEST_GENERATOR:
            found.add("void: the load generator had no time of its own left")
        if record["foreign_share"] > MOST_FOREIGN_SHARE:
            found.add("other programs used the server's core")
    return found
