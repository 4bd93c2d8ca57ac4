"""What this process counts: the lowest layer, which knows neither Django nor who counts.

`realtime.exposition` says the rest, which is read and not counted; docs/metrics.md explains each.
"""

from realtime.metrics.counters import (
    auth_failures,
    closes,
    command_errors,
    connections_opened,
    heals,
    registry,
    resumes,
    resyncs,
)
from realtime.metrics.tallies import (
    bytes_sent,
    commit_to_send,
    count_dropped,
    count_sent,
    events_dropped,
    events_sent,
    snapshots,
)

__all__ = (
    "auth_failures",
    "bytes_sent",
    "closes",
    "command_errors",
    "commit_to_send",
    "connections_opened",
    "count_dropped",
    "count_sent",
    "events_dropped",
    "events_sent",
    "heals",
    "registry",
    "resumes",
    "resyncs",
    "snapshots",
)
