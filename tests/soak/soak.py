"""The run: rounds of churn, each followed by a quiet point at which the servers are measured."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Sequence

import psycopg

from tests.e2e.support.desk import Desk
from tests.e2e.support.servers import Server
from tests.faults.support.cluster import Cluster
from tests.faults.support.crowd import Crowd
from tests.faults.support.verdict import check_promises
from tests.soak.churn import Churn
from tests.soak.collecting import COLLECT
from tests.soak.faults import Faults
from tests.soak.judge import MEBIBYTE, Log, Point, judge
from tests.soak.log_reader import LogReader
from tests.soak.report import Report
from tests.soak.requests import Requests
from tests.soak.sampling import Sample, count_connections, count_rows, name_of, take_samples
from tests.soak.slow_clients import SlowClients

CLIENTS = 100
WRITERS = 2
VISITS_PER_SECOND = 20
SLOW_CLIENTS = 20
HISTORY_EVENTS = 400
# A minute's worth of history is pruned in the shortest run; what is bounded is soon full.
ENVIRONMENT = {
    "REALTIME_HISTORY_EVENTS": str(HISTORY_EVENTS),
    "REALTIME_RING_EVENTS": "200",
    "REALTIME_BUDGET_BYTES": str(256 * 1024),
    "REALTIME_TOO_SLOW_SECONDS": "3",
    "REALTIME_LOG_HANDLER": "on",
}
# Between two removals ten seconds pass, and each takes a thousand at most.
MOST_ROWS = HISTORY_EVENTS + 1200
FLOOD_EVENTS, FLOOD_CHARACTERS = 60, 4_000
LEAST_ROUNDS, MOST_ROUNDS = 9, 20
ROUND_SECONDS = 30.0
# Of each round, the part in which anybody comes and goes.
BUSY_SHARE = 0.75
# Of the rounds, the part in which a process does everything for the first time.
WARM_UP_SHARE = 0.25
# Nobody who leaves takes longer: see CLOSE_SECONDS.
SETTLE_SECONDS = 10.0
SAMPLES, SAMPLE_EVERY_SECONDS = 4, 0.3
# A machine that has much else to do takes so many times as long.
LONGEST_FACTOR = 20


def say(title: str, points: Sequence[Point]) -> None:
    """Show that the run goes on, and what each server holds."""
    held = (
        f"{point.server} {point.resident_bytes / MEBIBYTE:.1f} MiB, {point.descriptors} "
        f"descriptors, {point.threads} threads, {point.database_connections} database connections, "
        f"{point.strangers} strangers"
        for point in points
    )
    print(f"{points[0].seconds:6.0f} s  {title}:", "; ".join(held), flush=True)


class Soak:
    """One run on a cluster that has been started."""

    def __init__(self, cluster: Cluster, desk: Desk, *, seconds: float) -> None:
        self.report = Report(seconds)
        self._cluster = cluster
        self._servers = cluster.servers
        self._rounds = int(min(MOST_ROUNDS, max(LEAST_ROUNDS, seconds // ROUND_SECONDS)))
        self._busy_seconds = seconds / self._rounds * BUSY_SHARE
        self._crowd = Crowd(
            self._servers, clients=CLIENTS, longest_seconds=LONGEST_FACTOR * seconds
        )
        self._churn = Churn(self._servers, per_second=VISITS_PER_SECOND)
        self._slow = SlowClients(self._servers, number=SLOW_CLIENTS)
        self._requests = Requests(self._servers)
        self._faults = Faults(cluster)
        self._desk = desk
        self._log = LogReader(cluster.database)
        self._begun = time.monotonic()
        self._most_rows = 0
        # Database connections of each server at a time, at most.
        self._most_held: Counter[str] = Counter()

    async def run(self) -> Report:
        """Soak, and judge; a promise that was broken raises."""
        await asyncio.to_thread(self._requests.sign_in)
        async with self._crowd, asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._log.run()), tasks.create_task(self._watch_database())]
            await self._go_rounds()
            await self._finish()
            for task in beside:
                task.cancel()
        self._conclude()
        return self.report

    async def _go_rounds(self) -> None:
        writers = [self._cluster.start_writer() for _ in range(WRITERS)]
        for number in range(self._rounds):
            await self._churn_for_a_round(number)
            points = await self._measure()
            say(f"round {number + 1} of {self._rounds}", points)
            if number >= self._warm_up_rounds:
                self.report.points += points
        for writer in writers:
            assert await asyncio.to_thread(writer.terminate) == 0, writer.output

    async def _watch_database(self) -> None:
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                rows = await asyncio.to_thread(count_rows, self._cluster.database)
                held = await asyncio.to_thread(count_connections, self._cluster.database)
                self._most_rows = max(self._most_rows, rows)
                for server in self._servers:
                    name = name_of(server)
                    self._most_held[name] = max(self._most_held[name], held.get(name, 0))
            await asyncio.sleep(1)

    @property
    def _warm_up_rounds(self) -> int:
        # At least one round after the last restart.
        return max(len(self._servers) + 1, round(self._rounds * WARM_UP_SHARE))

    async def _churn_for_a_round(self, number: int) -> None:
        seconds = self._busy_seconds
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._churn.run(seconds))
            tasks.create_task(self._slow.run(seconds))
            tasks.create_task(self._requests.run(seconds))
            tasks.create_task(self._flood_and_break(number, seconds))

    async def _flood_and_break(self, number: int, seconds: float) -> None:
        """Block who does not read, then do something to the cluster."""
        await self._slow.have_stopped_reading()
        await asyncio.to_thread(self._flood)
        await asyncio.sleep(random.uniform(0, 0.4 * seconds))
        if number < len(self._servers):
            # A process begins anew in memory: only the warm-up has restarts.
            await self._faults.restart(self._servers[number])
        else:
            await self._faults.inject()

    def _flood(self) -> None:
        self._desk.call("flood", count=FLOOD_EVENTS, characters=FLOOD_CHARACTERS)

    async def _measure(self) -> list[Point]:
        """What each server holds when all visitors have gone; the least of a few readings."""
        await self._crowd.has_reached(await asyncio.to_thread(self._cluster.committed))
        await self._settle()
        samples = []
        for server in self._servers:
            server.program.process.send_signal(COLLECT)
        for _ in range(SAMPLES):
            await asyncio.sleep(SAMPLE_EVERY_SECONDS)
            samples.append(await self._sample())
        return [
            self._make_point(server, readings)
            for server, *readings in zip(self._servers, *samples, strict=True)
        ]

    async def _settle(self) -> None:
        """Wait until each server has the crowd alone, or keeps others for long."""
        clock = asyncio.get_running_loop().time
        seen, since = [-1], clock()
        while clock() - since < SETTLE_SECONDS:
            counts = [sample.connections for sample in await self._sample()]
            if counts == [self._clients_of(server) for server in self._servers]:
                return
            if counts != seen:
                seen, since = counts, clock()
            await asyncio.sleep(SAMPLE_EVERY_SECONDS)

    async def _sample(self) -> list[Sample]:
        return await asyncio.to_thread(take_samples, self._servers, self._cluster.database)

    def _clients_of(self, server: Server) -> int:
        return sum(watcher.server is server for watcher in self._crowd.watchers)

    def _make_point(self, server: Server, readings: Sequence[Sample]) -> Point:
        return Point(
            server=name_of(server),
            seconds=round(time.monotonic() - self._begun, 1),
            resident_bytes=min(each.resident_bytes for each in readings),
            descriptors=min(each.descriptors - each.connections for each in readings),
            threads=min(each.threads for each in readings),
            database_connections=min(each.database_connections for each in readings),
            strangers=min(each.connections for each in readings) - self._clients_of(server),
        )

    async def _finish(self) -> None:
        """Let the last event arrive everywhere."""
        committed, last = -1, await asyncio.to_thread(self._cluster.committed)
        while committed != last:
            await asyncio.sleep(1)
            committed, last = last, await asyncio.to_thread(self._cluster.committed)
        await self._crowd.finish(committed)
        await self._log.has_reached(committed)

    def _conclude(self) -> None:
        report = self.report
        report.promises = check_promises(
            self._crowd,
            self._cluster.database,
            self._cluster.noted(),
            snapshots_allowed=True,
            log=self._log.events,
        )
        report.log = Log(len(self._log.events), self._most_rows, MOST_ROWS)
        report.injected = dict(self._faults.injected)
        report.counted = {
            "visits": dict(self._churn.visits),
            "slow_clients": dict(self._slow.ends),
            "requests": dict(self._requests.answers),
            "most_database_connections": dict(self._most_held),
        }
        report.findings = judge(report.points)
