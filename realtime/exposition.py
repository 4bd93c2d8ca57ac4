"""The text of `/metrics`: what was counted, and what the parts of this process say of themselves.

Nothing here waits for the database or opens a connection to it: the relay's thread, or the shared
probe, has asked already.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily as Counter
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import HistogramMetricFamily as Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from realtime import __version__, hub, loghandler, metrics, relay
from realtime.conf import conf
from realtime.delivery import ResyncReason
from realtime.feeds import feeds
from realtime.health import database_answer
from realtime.messages import ResumeOutcome, ResumeReason

# Every code that is counted is there from the start: a rate needs the zero before the first one.
AUTH_FAILURES = (
    *("authentication_required", "authentication_failed", "invalid_credentials", "invalid_token"),
    *("not_authenticated", "origin_not_allowed", "permission_denied", "throttled"),
    *("token_expired", "token_revoked"),
)
COMMAND_ERRORS = (
    *("invalid_json", "invalid_token", "invalid_value", "message_too_large", "permission_denied"),
    *("rate_limited", "text_frames_only", "token_expired", "token_revoked", "too_many_errors"),
    *("unavailable", "unknown_action", "unknown_feed", "unknown_filter"),
)
CLOSES = (
    *("authentication_required", "disconnected", "invalid_token", "left", "message_too_large"),
    *("origin_not_allowed", "permission_denied", "rate_limited", "server_closing"),
    *("text_frames_only", "token_expired", "token_revoked", "too_many_connections"),
    *("too_many_errors", "too_slow", "unavailable"),
)
DROPS = ("closed", "max_rate", "resync")


def metrics_text() -> bytes:
    """Every metric of this process, in Prometheus's text format."""
    return generate_latest(_Shown())


class _Shown(Collector):
    """The registry without the time at which each counter was made, which nobody asks for."""

    def collect(self) -> Iterator[Metric]:
        for metric in metrics.registry.collect():
            metric.samples = [each for each in metric.samples if not each.name.endswith("_created")]
            yield metric


class StateCollector(Collector):
    """What is read at the moment at which somebody asks."""

    def collect(self) -> Iterator[Metric]:
        """Every metric that is not counted by the library."""
        yield from _sent()
        yield from _connections()
        yield from _database_and_relay()
        yield from _layer()
        yield from _logs()
        yield _gauge("realtime_threads", "Threads of this process.", threading.active_count())
        build = Gauge("realtime_build_info", "1; the version as a label.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build


def _sent() -> Iterator[Metric]:
    names = list(feeds())
    yield _counter_by(
        "realtime_events_sent",
        "Events given to connections, one for each connection.",
        "feed",
        {**dict.fromkeys(names, 0), **metrics.events_sent},
    )
    yield _counter_by(
        "realtime_bytes_sent",
        "Bytes of the events given to connections, as WebSocket frames.",
        "feed",
        {**dict.fromkeys(names, 0), **metrics.bytes_sent},
    )
    yield _counter_by(
        "realtime_events_dropped",
        "Events given to connections and not written to them, by the reason.",
        "reason",
        {**dict.fromkeys(DROPS, 0), **metrics.events_dropped},
    )
    snapshots = metrics.snapshots
    yield _counter("realtime_snapshots_sent", "Snapshots written to their end.", snapshots.sent)
    yield _counter("realtime_snapshot_bytes", "Bytes of snapshots written.", snapshots.bytes)
    yield _commit_to_send()


def _commit_to_send() -> Metric:
    latencies = metrics.commit_to_send
    totals = list(accumulate(list(latencies.counts)))
    bounds = [*map(str, latencies.bounds), "+Inf"]
    return Histogram(
        "realtime_commit_to_send_seconds",
        "Time from an event's writing to its handing over to the connections.",
        buckets=list(zip(bounds, totals, strict=True)),
        sum_value=latencies.sum,
    )


def _connections() -> Iterator[Metric]:
    serving = hub.current()
    load = serving.load() if serving is not None else hub.Load()
    yield _gauge("realtime_connections", "Connections that are served.", load.connections)
    limit = conf().max_connections
    yield _gauge("realtime_connections_limit", "Connections that may be served.", limit)
    yield _gauge("realtime_audiences", "Different subscriptions.", load.audiences)
    text = "Connections whose socket takes nothing at present."
    yield _gauge("realtime_clients_blocked", text, load.blocked)
    text = "Bytes of events and answers that wait for slow clients."
    yield _gauge("realtime_waiting_bytes", text, load.waiting_bytes)
    text = "Events that the relay knows of and the hub has not taken yet."
    yield _gauge("realtime_hub_lag_events", text, 0 if serving is None else serving.lag_events)
    text = "The longest delay of the event loop in the last minute."
    seconds = 0.0 if serving is None else serving.loop_lag.seconds
    yield _gauge("realtime_event_loop_lag_seconds", text, seconds)


def _database_and_relay() -> Iterator[Metric]:
    running = relay.current()
    answer = database_answer(running)
    is_up = answer is None or answer.error is None
    yield _gauge("realtime_database_up", "Whether the database answers.", is_up)
    unnumbered = running.vitals.unnumbered if running is not None else 0
    if answer is not None and answer.standing is not None:
        unnumbered = answer.standing.unnumbered
    text = "Committed events that wait for their number, 10000 at most."
    yield _gauge("realtime_unnumbered_events", text, unnumbered)
    text = "Time since the log was last read to its end, for the hub of this process."
    lag = running.lag_seconds if running is not None else 0.0
    yield _gauge("realtime_relay_lag_seconds", text, lag)
    text = "Whether the relay's thread runs, and read the log when it last tried; or is not needed."
    is_well = running.vitals.error is None if running is not None else hub.current() is None
    yield _gauge("realtime_relay_up", text, is_well)


def _layer() -> Iterator[Metric]:
    running = relay.current()
    publisher = running.publisher if running is not None else None
    text = "Whether the channel layer takes messages; 1, too, where none is in use."
    is_up = publisher is None or publisher.error is None
    yield _gauge("realtime_channel_layer_up", text, is_up)
    text = "Messages that the channel layer did not take: servers read the log instead."
    dropped = publisher.dropped_batches if publisher is not None else 0
    yield _counter("realtime_layer_batches_dropped", text, dropped)


def _logs() -> Iterator[Metric]:
    backlog = loghandler.backlog()
    text = "Log lines that wait to be published."
    yield _gauge("realtime_log_lines_waiting", text, backlog.waiting)
    dropped = backlog.dropped
    yield _counter_by(
        "realtime_log_lines_dropped",
        "Log lines that were not published, by the reason.",
        "reason",
        {
            "over_rate": dropped.over_rate,
            "queue_full": dropped.queue_full,
            "refused": dropped.refused,
        },
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return Gauge(name, text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    return Counter(name, text, value=float(value))


def _counter_by(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = Counter(name, text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def _prepare() -> None:
    for code in AUTH_FAILURES:
        metrics.auth_failures.labels(code)
    for code in COMMAND_ERRORS:
        metrics.command_errors.labels(code)
    for reason in CLOSES:
        metrics.closes.labels(reason)
    for cause in ResyncReason:
        metrics.resyncs.labels(cause)
    for outcome in (ResumeOutcome.LIVE, ResumeOutcome.REPLAY):
        metrics.resumes.labels(outcome, "")
    for why in ResumeReason:
        metrics.resumes.labels(ResumeOutcome.SNAPSHOT, why)


_prepare()
metrics.registry.register(StateCollector())
ProcessCollector(registry=metrics.registry)
PlatformCollector(registry=metrics.registry)
GCCollector(registry=metrics.registry)
