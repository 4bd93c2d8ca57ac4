"""idle: what a connection costs in memory when nothing happens."""

from __future__ import annotations

import time

from benchmarks.databases import SQLITE
from benchmarks.machine import resident_bytes
from benchmarks.records import Figure, Outcome
from benchmarks.stage import open_stage

CLIENTS = 5000
QUICK_CLIENTS = 500
# These make the server import and load what it needs for any connection.
WARM_UP_CLIENTS = 10
# Two heartbeats: what opening a connection needed for a moment is given back.
SETTLE_SECONDS = 11.0
GOAL_KB = 45.0
POSITIONS = 20


def measure(is_quick: bool) -> Outcome:
    """Connect, wait, and compare the server's memory."""
    clients = QUICK_CLIENTS if is_quick else CLIENTS
    with open_stage(SQLITE, positions=POSITIONS) as stage:
        server = stage.serve()
        load = stage.generate()
        load.connect(server, clients=WARM_UP_CLIENTS)
        before = resident_bytes(server.pid)
        connecting = load.connect(server, clients=clients)
        at_once = resident_bytes(server.pid)
        time.sleep(SETTLE_SECONDS)
        settled = resident_bytes(server.pid)
        received = load.finish(changes=None)
    each_kb = (settled - before) / clients / 1000
    rate = clients / connecting["seconds"]
    doubts = tuple(received["problems"])
    return Outcome(
        figures=[
            Figure("idle", f"memory each of {clients:,}", each_kb, "KB", GOAL_KB, doubts=doubts),
            Figure("idle", "connections opened a second", rate, "/s", doubts=doubts),
        ],
        records=[
            received
            | {
                "clients": clients,
                "rss_before": before,
                "rss_connected": at_once,
                "rss_settled": settled,
                "connect_seconds": connecting["seconds"],
            }
        ],
    )
