"""Old state + events = fresh snapshot = database, whatever happens, in whatever order.

A Hypothesis state machine on the real hub, consumer, log and a database that really commits.
`STATEFUL_EXAMPLES=200` runs as many examples of 50 steps.
"""

from __future__ import annotations

import functools
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import orjson
import pytest
from django.db import connection as database
from django.db import transaction
from django.db.models import F
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pytest_django import Settings

from realtime import hub, log
from realtime.auth.grants import Grants
from realtime.feeds import feeds
from realtime.log import HistoryExpired, LoggedEvent
from realtime.models import Event, Stream
from realtime.subscriptions import FieldValues, field_values
from realtime.system_log import publish_log
from realtime.testing import flush
from tests.realtime.events import number_all, rolled_back
from tests.realtime.replicas import TAIL_EVENTS, Replica, State
from tests.realtime.rows import make_position, mark_closed, mark_open, new_position
from tests.realtime.serving import Connection, Server
from trading.models import Account, Position
from trading.serializers import PositionSerializer

FEWEST_EXAMPLES = 60
EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", FEWEST_EXAMPLES))
STEPS = 30 if EXAMPLES <= FEWEST_EXAMPLES else 50
# Hypothesis leaves rules out of an example: so often it is asked again for those that never ran.
MOST_ROUNDS = 6

FEEDS = ("position_update", "system_log")
SYMBOLS = ("BTC/USDT", "ETH/USDT")
ACCOUNTS = ("default", "second")
MOST_CLIENTS = 6
# What undoes much is possible at every fourth step only.
RARELY = 4
# Hypothesis makes a failing example shorter for five minutes, in which CI says nothing.
SHRINKING = "hypothesis.internal.conjecture.engine.MAX_SHRINKING_SECONDS"
MOST_SHRINKING_SECONDS = 60 if EXAMPLES <= FEWEST_EXAMPLES else 300
TABLES = ("trading_fundingpayment", "trading_position", "realtime_event", "realtime_stream")

# Small, so that a few steps fill them.
SETTINGS = {
    "REALTIME_BUDGET_BYTES": 20 * 1024,
    "REALTIME_HISTORY_EVENTS": 12,
    "REALTIME_RING_EVENTS": 6,
    "REALTIME_REPLAY_EVENTS": 25,
    "REALTIME_COMMANDS_PER_SECOND": 100_000,
    "REALTIME_HEARTBEAT_SECONDS": 3600.0,
}
# What the scope of the limited user may become: the accounts, and whether it sees log lines.
SCOPES = (
    (("second",), True),
    (("default",), True),
    (("default", "second"), True),
    (("second",), False),
)
SLOWEST_RATE = 0.1

RULES: set[str] = set()
HAPPENINGS = {
    "clients compared",
    "events applied",
    "heals",
    "outcome live",
    "outcome replay",
    "outcome snapshot",
    "reason ahead_of_stream",
    "reason subscription_changed",
    "feeds lost",
    "events held back",
    "slow clients resynchronised",
}
COUNTS: Counter[str] = Counter()

Rule = Callable[..., None]


def counted(function: Rule) -> Rule:
    """Count how often a rule ran over all examples: one that never runs proves nothing."""
    RULES.add(function.__name__)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        COUNTS[function.__name__] += 1
        function(*args, **kwargs)

    return run


def grants_within(accounts: Iterable[str], sees_logs: bool) -> Grants:
    """Those of the user whose scope changes; the token `second` is its."""
    positions = {"position_update": field_values({"account": list(accounts)})}
    logs: dict[str, FieldValues] = {"system_log": ()} if sees_logs else {}
    return Grants("second", "user:2", None, positions | logs)


GRANTS = {
    "everything": Grants("all", "user:1", None, dict.fromkeys(FEEDS, ())),
    "second": grants_within(*SCOPES[0]),
}


class Client:
    """A program that follows the stream, keeps its state, and comes back after a disconnect."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.replica = Replica()
        self.replica.is_unlimited = token == "everything"
        self.connection: Connection | None = None

    def connect(self, server: Server, **query: str) -> None:
        """Connect, resuming from what the client holds."""
        query = self.replica.resume_query | query
        self.connection = Connection(server, token=self.token, query=query)
        self.read()

    def read(self) -> None:
        """Apply everything that has arrived."""
        assert self.connection is not None
        for message in self.connection.receive():
            self.replica.apply(message)
            outcome = message.get("resume")
            if outcome is not None:
                reason = message.get("resume_reason")
                COUNTS[f"outcome {outcome}" if reason is None else f"reason {reason}"] += 1

    def disconnect(self) -> None:
        """Lose the connection, with what has not arrived."""
        assert self.connection is not None
        self.read()
        self.connection.disconnect()
        self.connection = None


def is_rare(machine: StreamMachine) -> bool:
    """Whether what undoes much may happen at this step."""
    return machine.steps % RARELY == 0


pick = st.integers(0, 10_000)


class StreamMachine(RuleBasedStateMachine):
    """Writers, relays, a lossy layer, a server that restarts, and clients good and bad."""

    def __init__(self) -> None:
        super().__init__()
        empty_tables()
        for account in ACCOUNTS:
            Account.objects.get_or_create(pk=account)
        self.server = Server(GRANTS)
        self.accounts, self.sees_logs = SCOPES[0]
        self.online: list[Client] = []
        self.offline: list[Client] = []
        self.stale: list[Position] = []
        self.in_flight: list[tuple[str, int, list[LoggedEvent]]] = []
        self.steps = 0
        self.made = 0

    def _next_id(self) -> uuid.UUID:
        """Ids in the order of creation: an example that is run again picks the same rows."""
        self.made += 1
        return uuid.UUID(int=self.made)

    @initialize(tokens=st.lists(st.sampled_from(sorted(GRANTS)), min_size=1, max_size=3))
    def begin(self, tokens: list[str]) -> None:
        for token in tokens:
            make_position(position_id=self._next_id(), account_id=token_account(token))
            self.join(token)

    def teardown(self) -> None:
        for client in self.online + self.offline:
            COUNTS["events applied"] += client.replica.events
            COUNTS["slow clients resynchronised"] += client.replica.dropped > 0
        self._count_heals()
        for client in self.online:
            client.connection = client.connection and client.connection.disconnect()
        self.server.stop()

    # Writers.

    @rule(symbol=st.sampled_from(SYMBOLS), account=st.sampled_from(ACCOUNTS))
    @counted
    def create(self, symbol: str, account: str) -> None:
        self.stale.append(
            make_position(position_id=self._next_id(), symbol=symbol, account_id=account)
        )

    @precondition(lambda self: Position.objects.exists())
    @rule(pick=pick, symbol=st.sampled_from(SYMBOLS), account=st.sampled_from(ACCOUNTS))
    @counted
    def save(self, pick: int, symbol: str, account: str) -> None:
        position = some_position(pick)
        position.symbol, position.account_id = symbol, account
        position.save()

    @precondition(lambda self: self.stale)
    @rule(pick=pick, strategy=st.text("abc", max_size=3), is_whole=st.booleans())
    @counted
    def save_stale(self, pick: int, strategy: str, is_whole: bool) -> None:
        """An instance that was read long ago; its row may even be gone."""
        position = self.stale[pick % len(self.stale)]
        position.strategy_id = strategy
        if is_whole:
            position.save()
        elif Position.objects.filter(pk=position.pk).exists():
            position.save(update_fields=["strategy_id"])

    @precondition(lambda self: Position.objects.exists())
    @rule(pick=pick)
    @counted
    def save_expression(self, pick: int) -> None:
        position = some_position(pick)
        position.fees = F("fees") + Decimal("0.25")
        position.save(update_fields=["fees"])

    @precondition(lambda self: Position.objects.exists())
    @rule(pick=pick)
    @counted
    def end_or_revive(self, pick: int) -> None:
        position = some_position(pick)
        mark_closed(position) if position.closed_at is None else mark_open(position)
        position.save()

    @precondition(lambda self: Position.objects.exists())
    @rule(pick=pick)
    @counted
    def delete(self, pick: int) -> None:
        some_position(pick).delete()

    @precondition(lambda self: self.stale)
    @rule(pick=pick)
    @counted
    def delete_stale(self, pick: int) -> None:
        position = self.stale.pop(pick % len(self.stale))
        if position.pk is not None:
            position.delete()

    @precondition(is_rare)
    @rule(pick=pick, strategy=st.text("xyz", max_size=3))
    @counted
    def roll_back(self, pick: int, strategy: str) -> None:
        with rolled_back():
            make_position(position_id=self._next_id())
            publish_log(level="INFO", message="never", module="machine")
            position = some_position(pick)
            position.strategy_id = strategy
            position.save()

    @rule(pick=pick, symbol=st.sampled_from(SYMBOLS))
    @counted
    def commit_around_a_rolled_back_savepoint(self, pick: int, symbol: str) -> None:
        with transaction.atomic():
            make_position(position_id=self._next_id(), symbol=symbol)
            with rolled_back():
                some_position(pick).delete()
            position = some_position(pick)
            position.symbol = symbol
            position.save()

    @precondition(lambda self: Position.objects.exists())
    @rule(symbol=st.sampled_from(SYMBOLS), strategy=st.text("uvw", max_size=3))
    @counted
    def update_many(self, symbol: str, strategy: str) -> None:
        Position.objects.filter(symbol=symbol).update(strategy_id=strategy)

    @rule(count=st.integers(1, 3))
    @counted
    def create_many(self, count: int) -> None:
        Position.objects.bulk_create(
            [new_position(position_id=self._next_id()) for _ in range(count)]
        )

    @precondition(is_rare)
    @rule(symbol=st.sampled_from(SYMBOLS))
    @counted
    def delete_many(self, symbol: str) -> None:
        Position.objects.filter(symbol=symbol).delete()

    @rule(count=st.integers(1, 20), size=st.sampled_from([0, 4000]))
    @counted
    def write_log_lines(self, count: int, size: int) -> None:
        with transaction.atomic():
            for number in range(count):
                text = f"{number} {'n' * size}"
                publish_log(level="INFO", message=text, module="machine")

    # The log.

    @rule(batch=st.integers(1, 20))
    @counted
    def prune(self, batch: int) -> None:
        log.prune(batch=batch)

    @precondition(is_rare)
    @rule()
    @counted
    def restore_a_backup(self) -> None:
        log.new_stream()

    @precondition(is_rare)
    @rule()
    @counted
    def lose_the_stream_row(self) -> None:
        Stream.objects.all().delete()

    # Other processes, and the layer between.

    @rule(limit=st.integers(1, 8))
    @counted
    def another_process_relays(self, limit: int) -> None:
        """It numbers what is committed and puts it on the layer."""
        log.number(limit)
        self._put_on_the_layer(limit)

    def _put_on_the_layer(self, limit: int) -> None:
        """The newest events, some of which may be under way already."""
        position = log.position()
        try:
            events = log.read(max(0, position.head - limit), limit)
        except HistoryExpired:
            return
        if events:
            self.in_flight.append((position.identity, events[-1].seq, events))

    @precondition(lambda self: hub.current() is not None)
    @rule()
    @counted
    def layer_reorders(self) -> None:
        """The newer of two batches comes first."""
        for number in range(2):
            publish_log(level="INFO", message=f"batch {number}", module="machine")
            number_all()
            self._put_on_the_layer(1)
        for _ in range(2):
            self._hear(*self.in_flight.pop())

    def _hear(self, identity: str, last: int, events: list[LoggedEvent]) -> None:
        serving = hub.current()
        assert serving is not None
        self.server.call(lambda: serving.hear(identity, last, events))

    @precondition(lambda self: self.in_flight and hub.current() is not None)
    @rule(pick=pick, is_repeated=st.booleans(), has_events=st.booleans())
    @counted
    def layer_delivers(self, pick: int, is_repeated: bool, has_events: bool) -> None:
        """Any batch that is under way, perhaps again later, perhaps its numbers only."""
        index = pick % len(self.in_flight)
        identity, last, events = self.in_flight[index]
        if not is_repeated:
            del self.in_flight[index]
        self._hear(identity, last, events if has_events else [])

    @precondition(lambda self: self.in_flight)
    @rule(pick=pick)
    @counted
    def layer_loses(self, pick: int) -> None:
        del self.in_flight[pick % len(self.in_flight)]

    @rule()
    @counted
    def relay_turns(self) -> None:
        flush()

    @precondition(is_rare)
    @rule()
    @counted
    def restart_the_server(self) -> None:
        for client in self.online:
            client.disconnect()
        self.offline += self.online
        self.online = []
        self._count_heals()
        self.server.restart()

    # Clients.

    @precondition(lambda self: len(self.online) < MOST_CLIENTS)
    @rule(token=st.sampled_from(sorted(GRANTS)))
    @counted
    def join(self, token: str) -> None:
        client = Client(token)
        client.connect(self.server)
        self.online.append(client)

    @precondition(lambda self: self.online)
    @rule(pick=pick)
    @counted
    def leave(self, pick: int) -> None:
        client = self.online.pop(pick % len(self.online))
        client.disconnect()
        self.offline.append(client)

    @precondition(lambda self: self.offline and len(self.online) < MOST_CLIENTS)
    @rule(pick=pick)
    @counted
    def resume(self, pick: int) -> None:
        self._resume(pick)

    @precondition(lambda self: self.offline and len(self.online) < MOST_CLIENTS)
    @rule(pick=pick)
    @counted
    def resume_from_the_future(self, pick: int) -> None:
        self._resume(pick, since=str(log.position().head + 3))

    @precondition(lambda self: self.online)
    @rule(pick=pick, missed=st.integers(0, 4), is_read=st.booleans())
    @counted
    def blink(self, pick: int, missed: int, is_read: bool) -> None:
        """A client is away for a moment, in which the server may read what it misses."""
        client = self.online.pop(pick % len(self.online))
        client.disconnect()
        self.offline.append(client)
        if missed:
            self.write_log_lines(count=missed, size=0)
        if is_read:
            flush()
        self._resume(len(self.offline) - 1)

    def _resume(self, pick: int, **query: str) -> None:
        client = self.offline.pop(pick % len(self.offline))
        if client.replica.max_rate is not None:
            query["max_rate"] = str(client.replica.max_rate)
        if client.replica.filters or len(client.replica.feeds) < len(FEEDS):
            query["feeds"] = ",".join(client.replica.feeds)
            query |= {
                field: ",".join(values)
                for fields in client.replica.filters.values()
                for field, values in fields.items()
            }
        client.connect(self.server, **query)
        self.online.append(client)

    @precondition(lambda self: self.online)
    @rule(pick=pick)
    @counted
    def ask_for_a_snapshot(self, pick: int) -> None:
        self._command(pick, action="snapshot", id=1)

    @precondition(lambda self: self.online)
    @rule(pick=pick)
    @counted
    def ping(self, pick: int) -> None:
        self._command(pick, action="ping", id=2)

    @precondition(lambda self: self.online)
    @rule(pick=pick, symbols=st.lists(st.sampled_from(SYMBOLS), max_size=1))
    @counted
    def filter(self, pick: int, symbols: list[str]) -> None:
        client = self.online[pick % len(self.online)]
        client.replica.is_unlimited = False
        filters = {"position_update": {"symbol": symbols}} if symbols else {}
        self._command(pick, action="subscribe", feeds=["position_update"], filters=filters)

    @precondition(lambda self: self.online)
    @rule(pick=pick, rate=st.sampled_from([SLOWEST_RATE, None]))
    @counted
    def limit_the_rate(self, pick: int, rate: float | None) -> None:
        """So slow that nothing flushes of itself while the machine runs."""
        client = self.online[pick % len(self.online)]
        client.replica.is_unlimited = False
        self._command(pick, action="subscribe", feeds=[], max_rate=rate)

    @precondition(lambda self: self.online)
    @rule(pick=pick, count=st.integers(1, 4))
    @counted
    def hold_back(self, pick: int, count: int) -> None:
        """The first flush goes at once; what comes after it is held."""
        self.limit_the_rate(pick, rate=SLOWEST_RATE)
        for _ in range(2):
            self.write_log_lines(count=count, size=0)
            flush()

    @rule()
    @counted
    def time_passes_for_the_paced(self) -> None:
        self._flush_the_paced()

    def _flush_the_paced(self) -> None:
        """Every connection's next flush is due."""
        serving = hub.current()
        if serving is None:
            return
        for member in tuple(serving._members):
            held = member._pace.first_held if member._pace is not None else 0
            COUNTS["events held back"] += held > 0
            self.server.call(member.flush)

    @precondition(is_rare)
    @rule(scope=st.sampled_from(SCOPES))
    @counted
    def change_the_scope(self, scope: tuple[tuple[str, ...], bool]) -> None:
        """The limited user becomes a member of other accounts, or loses a permission."""
        had_logs = self.sees_logs
        self.accounts, self.sees_logs = scope
        self.server.change_grants("second", grants_within(*scope))
        for client in self.online:
            client.read()
            assert client.connection is not None
            if not client.connection.is_writable:
                continue
            if client.token == "second" and not self.sees_logs:
                COUNTS["feeds lost"] += had_logs
                assert "system_log" not in client.replica.feeds

    @precondition(lambda self: any(client.token == "second" for client in self.online))
    @rule(scope=st.sampled_from(SCOPES))
    @counted
    def return_after_a_change_of_scope(self, scope: tuple[tuple[str, ...], bool]) -> None:
        """What a client resumes from is no longer what it may see."""
        client = next(client for client in self.online if client.token == "second")
        self.online.remove(client)
        client.disconnect()
        self.offline.append(client)
        self.change_the_scope(scope)
        self._resume(len(self.offline) - 1)

    @precondition(lambda self: self.online)
    @rule(pick=pick, feed=st.sampled_from(FEEDS))
    @counted
    def unsubscribe(self, pick: int, feed: str) -> None:
        client = self.online[pick % len(self.online)]
        client.replica.is_unlimited = False
        self._command(pick, action="unsubscribe", feeds=[feed])

    @precondition(lambda self: self.online)
    @rule(pick=pick, feed=st.sampled_from(FEEDS))
    @counted
    def subscribe_again(self, pick: int, feed: str) -> None:
        client = self.online[pick % len(self.online)]
        client.replica.is_unlimited = False
        self._command(pick, action="subscribe", feeds=[feed])

    def _command(self, pick: int, **command: Any) -> None:
        client = self.online[pick % len(self.online)]
        assert client.connection is not None
        client.connection.send(**command)

    @precondition(lambda self: self.online)
    @rule(pick=pick)
    @counted
    def stop_reading(self, pick: int) -> None:
        connection = self.online[pick % len(self.online)].connection
        assert connection is not None
        connection.block()

    @precondition(lambda self: self.online)
    @rule(pick=pick, room_bytes=st.sampled_from([1, 10_000, 25_000, float("inf")]))
    @counted
    def read_a_little(self, pick: int, room_bytes: float) -> None:
        connection = self.online[pick % len(self.online)].connection
        assert connection is not None
        connection.make_room(room_bytes)

    @precondition(lambda self: self.online)
    @rule(pick=pick, room_bytes=st.sampled_from([0, 10_000, float("inf")]))
    @counted
    def overwhelm(self, pick: int, room_bytes: float) -> None:
        """More than the budget while the client does not read."""
        connection = self.online[pick % len(self.online)].connection
        assert connection is not None
        connection.block()
        for _ in range(2):
            self.write_log_lines(count=5, size=4000)
            flush()
        connection.make_room(room_bytes)

    @precondition(lambda self: self.online)
    @rule()
    @counted
    def heartbeat(self) -> None:
        serving = hub.current()
        assert serving is not None
        self.server.call(lambda: serving._beat(tuple(serving._members)))

    def _count_heals(self) -> None:
        serving = hub.current()
        COUNTS["heals"] += serving.heals if serving is not None else 0

    # What always holds.

    @invariant()
    def what_arrives_keeps_the_promises(self) -> None:
        self.steps += 1
        for client in self.online:
            client.read()

    @rule()
    @counted
    def compare(self) -> None:
        """After a flush every client that reads has the state of the database."""
        flush()
        self.server.settle()
        self._flush_the_paced()
        expected = rows_in_database()
        newcomers: dict[str, State] = {}
        for client in self.online:
            assert client.connection is not None
            client.read()
            assert client.connection.outlet.closed is None
            if not client.connection.is_writable:
                COUNTS["slow clients left out"] += 1
                continue
            COUNTS["clients compared"] += 1
            replica = client.replica
            assert replica.is_complete
            may_be_refused = {"permission_denied"} if client.token == "second" else set()
            assert set(replica.errors) <= may_be_refused
            assert replica.state() == self._visible(expected, client)
            if client.token not in newcomers:
                newcomers[client.token] = self._fresh_state(client.token)
            assert restricted(newcomers[client.token], replica) == replica.state()

    def _visible(self, state: State, client: Client) -> State:
        """The part of the database's state within a client's scope and subscription."""
        positions = state["position_update"]
        if client.token == "second":
            positions = {k: row for k, row in positions.items() if row["account"] in self.accounts}
        return restricted(state | {"position_update": positions}, client.replica)

    def _fresh_state(self, token: str) -> State:
        newcomer = Client(token)
        newcomer.connect(self.server)
        newcomer.disconnect()
        assert newcomer.replica.snapshots == 1
        return newcomer.replica.state()


def token_account(token: str) -> str:
    return "default" if token == "everything" else token


def some_position(pick: int) -> Position:
    keys = Position.objects.order_by("position_id").values_list("pk", flat=True)
    return Position.objects.get(pk=keys[pick % len(keys)])


def empty_tables() -> None:
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            # Whether a commit survives a power cut is for other tests.
            cursor.execute("SET synchronous_commit TO off")
        for table in TABLES:
            cursor.execute(f"DELETE FROM {table}")


def rows_in_database() -> State:
    """What the newest state is, by the rows alone."""
    live = Position.objects.exclude(status="closed")
    rows = [orjson.loads(orjson.dumps(dict(PositionSerializer(row).data))) for row in live]
    tail = Event.objects.filter(feed="system_log").order_by("-seq")[:TAIL_EVENTS]
    return {
        "position_update": {row["position_id"]: row for row in rows},
        "system_log": [orjson.loads(event.data) for event in reversed(tail)],
    }


def restricted(state: State, replica: Replica) -> State:
    """The part of a state that a client is subscribed to."""
    wanted = {name: state[name] for name in replica.feeds}
    for name, fields in replica.filters.items():
        wanted[name] = {
            key: row
            for key, row in wanted[name].items()
            if all(row[field] in values for field, values in fields.items())
        }
    return wanted


@pytest.mark.faults
@pytest.mark.django_db(transaction=True)
def test_old_state_and_events_are_the_fresh_snapshot_and_the_database(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SHRINKING, MOST_SHRINKING_SECONDS)
    for name, value in SETTINGS.items():
        setattr(settings, name, value)
    assert set(FEEDS) <= set(feeds())
    number_all()
    COUNTS.clear()
    for _ in range(MOST_ROUNDS):
        run_state_machine_as_test(StreamMachine, settings=machine_settings())
        never = {name for name in RULES | HAPPENINGS if not COUNTS[name]}
        if not never:
            break
    assert not never, f"never happened: {sorted(never)}"


def machine_settings() -> settings:
    return settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        # Not the last one, which runs a failing example many times more to explain it.
        phases=[Phase.generate, Phase.shrink],
        # Hypothesis would do so where CI is set, and each round would be the first one again.
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
