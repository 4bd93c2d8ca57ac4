"""Counters of what happens now and then, in any thread, and the registry of them all."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

# One of our own: the site may have metrics in the library's default one.
registry = CollectorRegistry()

connections_opened = Counter(
    "realtime_connections_opened", "WebSocket clients that were let in.", registry=registry
)
closes = Counter(
    "realtime_closes",
    "WebSocket connections that ended, refused ones too, by the reason of the close; "
    "left: the client's or the network's doing.",
    ["reason"],
    registry=registry,
)
resumes = Counter(
    "realtime_resumes",
    "Clients that came back with a position, by what they got and, for a snapshot, why.",
    ["outcome", "reason"],
    registry=registry,
)
resyncs = Counter(
    "realtime_resyncs",
    "Connections whose backlog gave way to a snapshot, by the reason.",
    ["reason"],
    registry=registry,
)
heals = Counter(
    "realtime_heals",
    "Batches that did not begin where the hub stood: it read the log instead.",
    registry=registry,
)
auth_failures = Counter(
    "realtime_auth_failures",
    "Refused credentials, and requests that lacked them, on every way in, by the error code.",
    ["code"],
    registry=registry,
)
command_errors = Counter(
    "realtime_command_errors",
    "Commands of WebSocket clients that were answered by an error, by its code.",
    ["code"],
    registry=registry,
)
