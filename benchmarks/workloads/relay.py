"""relay: events a second from the log through relay and hub to a client, in its one order."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import orjson

from benchmarks.databases import usable_databases
from benchmarks.records import Figure, Outcome, median
from benchmarks.stage import Failed, Stage, open_stage

EVENTS = 20_000
QUICK_EVENTS = 4_000
ROUNDS = 3
WRITERS = 2
BATCH = 100
POSITIONS = 50
GOAL_PER_SECOND = 2000.0
# Every event is to arrive and be checked: none may give way to a snapshot.
ROOMY = {"REALTIME_BUDGET_BYTES": str(256 * 1024 * 1024)}
WAITING, WRITING = "events wait", f"{WRITERS} writers, {BATCH} events a transaction"


def measure(is_quick: bool) -> Outcome:
    """Both ways on both databases, in turn."""
    events, rounds = (QUICK_EVENTS, 1) if is_quick else (EVENTS, ROUNDS)
    outcome = Outcome()
    ways = {WAITING: waiting, WRITING: writing}
    for number in range(rounds):
        for kind in usable_databases():
            for way, run in ways.items():
                with open_stage(kind, positions=POSITIONS) as stage:
                    record = run(stage, events)
                outcome.records.append({"database": kind, "way": way, "round": number} | record)
    for kind in usable_databases():
        for way in ways:
            same = [r for r in outcome.records if (r["database"], r["way"]) == (kind, way)]
            outcome.figures.append(_figure(f"{kind}, {way}", same))
    return outcome


def waiting(stage: Stage, events: int) -> dict[str, Any]:
    """Events committed while the server did nothing: from its first moment to the last receipt."""
    server = stage.serve(**ROOMY)
    load = stage.generate()
    load.connect(server, clients=1)
    out = stage.folder / "changes.json"
    with server.frozen():
        # Without a relay of its own, or the writer would number what is to be numbered here.
        order = {"first": 0, "events": events, "batch": BATCH, "out": str(out)}
        stage.run("benchmarks.bursting", order, REALTIME_RELAY="off")
        began_ns = time.monotonic_ns()
    return _rate(load.finish(changes=out, seconds=120), began_ns, events)


def writing(stage: Stage, events: int) -> dict[str, Any]:
    """Writers at full speed: from the start of the first transaction to the last receipt."""
    server = stage.serve(**ROOMY)
    load = stage.generate()
    load.connect(server, clients=1)
    share = events // WRITERS
    outs = [stage.folder / f"changes-{number}.json" for number in range(WRITERS)]
    running = [
        stage.start(
            "benchmarks.bursting",
            {"first": number * share, "events": share, "batch": BATCH, "out": str(out)},
        )
        for number, out in enumerate(outs)
    ]
    for process in running:
        stage.answer_of(process)
    changes = [change for out in outs for change in orjson.loads(out.read_bytes())]
    merged = Path(stage.folder / "changes.json")
    merged.write_bytes(orjson.dumps(changes))
    began_ns = min(change["started_ns"] for change in changes)
    return _rate(load.finish(changes=merged, seconds=120), began_ns, share * WRITERS)


def _rate(received: dict[str, Any], began_ns: int, events: int) -> dict[str, Any]:
    if not received["is_complete"]:
        raise Failed(f"{received['deliveries']} of {events} events arrived")
    seconds = (received["last_receipt_ns"] - began_ns) / 1e9
    return received | {"events": events, "seconds": seconds, "per_second": events / seconds}


def _figure(name: str, records: list[dict[str, Any]]) -> Figure:
    problems = tuple({problem for record in records for problem in record["problems"]})
    return Figure(
        "relay",
        f"{name}: commit to client",
        median(record["per_second"] for record in records),
        "events/s",
        GOAL_PER_SECOND,
        more_is_better=True,
        doubts=problems,
    )
