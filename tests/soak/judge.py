"""Whether a process has stopped growing: what it held at quiet points, early against late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

MEBIBYTE = 1024 * 1024
# Fewer say nothing: half of them are compared with the other half.
LEAST_POINTS = 4


@dataclass(frozen=True)
class Point:
    """What one server process held when nobody came, went or broke anything."""

    server: str
    seconds: float
    resident_bytes: int
    # Without the sockets of its connections.
    descriptors: int
    threads: int
    database_connections: int
    # Connections that it serves and nobody has.
    strangers: int


@dataclass(frozen=True)
class Rule:
    """By how much the middle of the later points may be above that of the earlier ones."""

    figure: str
    constant: float
    factor: float = 1.0
    unit: float = 1.0

    def read(self, point: Point) -> float:
        """The figure, in its unit."""
        return float(getattr(point, self.figure)) / self.unit


RULES = (
    Rule("resident_bytes", constant=3.0, factor=1.02, unit=MEBIBYTE),
    Rule("descriptors", constant=3),
    Rule("threads", constant=2),
    Rule("database_connections", constant=1),
    Rule("strangers", constant=0),
)


@dataclass(frozen=True)
class Finding:
    """One figure of one server, early and late."""

    server: str
    figure: str
    early: float
    late: float
    allowed: float

    @property
    def is_flat(self) -> bool:
        """Whether the figure has stayed within what noise explains."""
        return self.late <= self.allowed


def judge(points: Sequence[Point]) -> list[Finding]:
    """Compare the earlier half of each server's points with the later half, figure by figure.

    A leak raises every later point, so the middle of a half moves with it; a single high reading,
    such as a request that has not quite ended, does not move it. The first points have to be left
    out: a process grows while it does everything for the first time.
    """
    found = []
    for server in dict.fromkeys(point.server for point in points):
        own = [point for point in points if point.server == server]
        assert len(own) >= LEAST_POINTS, f"{len(own)} quiet points say nothing"
        found += [_compare(server, own, rule) for rule in RULES]
    return found


def _compare(server: str, points: Sequence[Point], rule: Rule) -> Finding:
    half = len(points) // 2
    early = _middle(points[:half], rule.read)
    late = _middle(points[-half:], rule.read)
    # Nobody's connection is one too many, early or late.
    allowed = early * rule.factor + rule.constant if rule.figure != "strangers" else 0.0
    return Finding(server, rule.figure, early, late, allowed)


def _middle(points: Sequence[Point], read: Callable[[Point], float]) -> float:
    return median(read(point) for point in points)


@dataclass(frozen=True)
class Log:
    """The event log over time: what was committed, and the most rows that it had at a time."""

    events: int
    most_rows: int
    allowed_rows: int

    @property
    def is_pruned(self) -> bool:
        """Whether old events went while new ones came."""
        return self.most_rows <= self.allowed_rows < self.events
