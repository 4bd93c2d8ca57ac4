"""publish: what an event adds to a save, as the ratio of both."""

from __future__ import annotations

from typing import Any

from benchmarks.databases import POSTGRESQL, SQLITE, usable_databases
from benchmarks.records import Figure, Outcome, median
from benchmarks.stage import open_stage

ROUNDS = 11
SAVES = 100
QUICK_ROUNDS = 3
QUICK_SAVES = 40
GOALS = {SQLITE: 1.8, POSTGRESQL: 2.8}
NAMES = {"save": "save()", "save_named": "save(update_fields=…)", "insert": "insert"}


def measure(is_quick: bool) -> Outcome:
    """Compare on both databases."""
    order = (
        {"rounds": QUICK_ROUNDS, "saves": QUICK_SAVES}
        if is_quick
        else {"rounds": ROUNDS, "saves": SAVES}
    )
    outcome = Outcome()
    for kind in usable_databases():
        goal = GOALS[kind]
        records = run(kind, order)
        outcome.records += records
        for way, name in NAMES.items():
            same = [record for record in records if record["way"] == way]
            outcome.figures.append(figure(f"{kind}, {name}", same, goal if way == "save" else None))
    if POSTGRESQL in usable_databases():
        add_relay_elsewhere(outcome, order)
    return outcome


def add_relay_elsewhere(outcome: Outcome, order: dict[str, int]) -> None:
    """Without the writing process's relay, whose thread shares its interpreter."""
    records = run(POSTGRESQL, order, REALTIME_RELAY="off")
    outcome.records += records
    same = [record for record in records if record["way"] == "save"]
    outcome.figures.append(figure(f"{POSTGRESQL}, save(), relay elsewhere", same, None))


def run(kind: str, order: dict[str, int], **environ: str) -> list[dict[str, Any]]:
    """Compare on a fresh database; the records of every way and round."""
    with open_stage(kind, positions=1) as stage:
        found = stage.run("benchmarks.saving", order, **environ)
    return [{"database": kind, **environ} | shortened(record) for record in found]


def shortened(record: dict[str, Any]) -> dict[str, Any]:
    """The medians of a round in place of every single save, and their ratio."""
    plain, published = median(record["plain_us"]), median(record["published_us"])
    return {
        "way": record["way"],
        "round": record["round"],
        "saves": len(record["plain_us"]),
        "plain_us": round(plain, 1),
        "published_us": round(published, 1),
        "ratio": published / plain,
    }


def figure(name: str, records: list[dict[str, Any]], goal: float | None) -> Figure:
    """The ratio, and what it is made of."""
    plain = median(record["plain_us"] for record in records)
    published = median(record["published_us"] for record in records)
    what = f"{name} published / plain ({published:,.0f} / {plain:,.0f} µs)"
    return Figure("publish", what, median(record["ratio"] for record in records), "×", goal)
