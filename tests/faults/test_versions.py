"""Two versions side by side under load, through a migration: the order of docs/upgrading.md."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.e2e.support.processes import run_manage
from tests.faults.conftest import StartCluster
from tests.faults.support.cluster import WRITERS, Cluster, Load
from tests.faults.support.marks import CLUSTER
from tests.faults.support.proof import Proof
from tests.faults.support.versions import make_next_version

pytestmark = CLUSTER

EVENTS_MEANWHILE = 20


async def run_next(cluster: Cluster, *command: str, root: Path) -> None:
    await asyncio.to_thread(run_manage, cluster.database.url, *command, root=root)


async def restart_servers(cluster: Cluster, load: Load, *, root: Path) -> None:
    """One after the other; between the two, half of the clients are with each version."""
    first, second = cluster.servers
    for server in (first, second):
        server.root = root
        assert await asyncio.to_thread(server.program.terminate) == 0, server.log
        await asyncio.to_thread(server.start)
        await load.goes_on(EVENTS_MEANWHILE)
        if server is first:
            for watcher in load.crowd.watchers[::2]:
                await watcher.abort()
            await load.goes_on(EVENTS_MEANWHILE)


async def test_two_versions_side_by_side_miss_nothing(
    start_cluster: StartCluster, tmp_path: Path, proof: Proof
) -> None:
    cluster = start_cluster()
    root = make_next_version(tmp_path)
    async with cluster.under_load() as load:
        old_writers = list(load.writers)
        await run_next(cluster, "migrate", "--verbosity", "0", root=root)
        await load.goes_on(EVENTS_MEANWHILE)
        load.add_writer(root=root)
        await restart_servers(cluster, load, root=root)
        for writer in old_writers:
            assert await asyncio.to_thread(writer.terminate) == 0, writer.output
            load.add_writer(root=root)
        # What the old ones wrote last lacks the column.
        await run_next(cluster, "resync", root=root)
        # A client of a feed that has another version now is told so, and starts with a snapshot.
        load.snapshots_allowed = True
    for watcher in load.crowd.watchers:
        has_changed = "position_update" in watcher.kind.feeds
        assert set(watcher.reasons) == ({"subscription_changed"} if has_changed else set())
        assert watcher.resyncs == 0
    cluster.dispose()
    proof.note(
        "two versions side by side through a migration",
        injected={"writers_replaced": WRITERS, "servers_replaced": len(cluster.servers)},
        counted=load.figures.as_dict(),
    )
