"""The machine under a measurement: its cores, what a process used, what else was running."""

from __future__ import annotations

import os
import platform
import resource
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PACKAGES = ("Django", "daphne", "Twisted", "autobahn", "channels", "orjson", "psycopg")
# Fields of /proc/stat in which a core does nothing for anybody.
IDLE_FIELDS = (3, 4)
BUSY_FIELDS = 8


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where: the server alone on one core, everything that loads it on another."""

    server: int
    load: int


def choose_cores() -> Cores:
    """The first and the last core that this process may use; one core serves both if need be."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(server=usable[0], load=usable[-1])


def allow_many_files() -> int:
    """Raise the limit of open files as far as it goes, also for children; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used, in all of its threads."""
    # After the name in brackets, which may hold spaces; 11 and 12 are utime and stime.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    """The memory that a process holds in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def core_busy_seconds(core: int) -> float:
    """For how long a core has worked since the machine started, for anybody."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            busy = [int(text) for text in fields[:BUSY_FIELDS]]
            return (sum(busy) - sum(busy[index] for index in IDLE_FIELDS)) / TICKS_PER_SECOND
    return 0.0


def describe() -> dict[str, object]:
    """What a reader has to know to compare figures: processor, memory, versions."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * PAGE_BYTES / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
