"""A client that follows the stream for long: it comes back, resumes, and checks every number."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.e2e.support.clients import Client, Message, Query
from tests.e2e.support.processes import DEADLINE_SECONDS
from tests.e2e.support.servers import Server
from tests.e2e.support.states import Held, State

RETRY_SECONDS = 0.02
UNREACHABLE = (OSError, EOFError, ConnectionClosed, InvalidHandshake)
PROTOCOL_TYPES = frozenset({"error", "pong", "subscribed", "server_closing", "token_expiring"})


class Follower:
    """Builds its state from snapshots and events alone; it never asks for a snapshot.

    With the whole stream (`is_whole`) it holds the server to consecutive numbers.
    """

    def __init__(
        self,
        server: Server,
        query: Query | None = None,
        *,
        user: str = "operator",
        buffers_little: bool = False,
    ) -> None:
        self.server = server
        self._user = user
        self._buffers_little = buffers_little
        self._query = dict(query or {})
        self.is_whole = not query and user == "operator"
        self.client: Client
        self.state = State({})
        self.seq = -1
        self.stream = ""
        self.events: list[Message] = []
        self.snapshots: list[tuple[int, Held]] = []
        # How connections started, by what was asked for: `fresh`, or `resume`.
        self.starts: Counter[tuple[str, str]] = Counter()
        # Why resumes were answered by a snapshot.
        self.reasons: Counter[str] = Counter()
        # How connections ended that it came back from.
        self.losses: Counter[str] = Counter()
        self.resyncs = 0
        self.dropped: Counter[str] = Counter()
        self.beats = 0
        # The most that a heartbeat said the server could not read the log for, in seconds.
        self.longest_delay = 0.0
        self._subscription = ""
        self._established: Message = {}
        self._parts: list[Message] = []
        self._awaits_snapshot = False
        self._moved = asyncio.Event()

    @property
    def is_current(self) -> bool:
        """Whether the state is one of the stream's, none that a snapshot will replace."""
        return bool(self.stream) and not self._awaits_snapshot and not self._parts

    @property
    def resumes(self) -> int:
        """How often it came back and was given exactly what it had missed."""
        return self.starts["resume", "live"] + self.starts["resume", "replay"]

    async def connect(self) -> Message:
        """Connect: the first time for a snapshot, later to go on where it was."""
        asked = dict(self._query)
        if self.stream:
            asked |= {"stream": self.stream, "since": self.seq, "subscription": self._subscription}
        self.client = await Client.connect(
            self.server, asked, user=self._user, buffers_little=self._buffers_little
        )
        established = await self.client.receive()
        assert established["type"] == "connection_established", established
        self._start(established)
        return established

    def move_to(self, server: Server) -> None:
        """Connect to `server` from now on; what is held, and where, stays."""
        self.server = server

    async def receive(self) -> Message:
        """Take the next message, and check that it may come now."""
        message = await self.client.receive()
        kind = message["type"]
        if kind == "snapshot":
            self._take_part(message)
        elif kind == "heartbeat":
            self._take_heartbeat(message)
        elif kind not in PROTOCOL_TYPES:
            self._take_event(message)
        assert kind != "error", message
        self._moved.set()
        self._moved = asyncio.Event()
        return message

    async def has_reached(self, seq: int) -> None:
        """Wait until this client, which another task drives, has everything up to `seq`."""
        while self.seq < seq:
            await self.moves()

    async def moves(self) -> None:
        """Wait until this client, which another task drives, has received a message."""
        await self._moved.wait()

    async def follow_until(self, is_done: Callable[[], bool]) -> None:
        """Receive until `is_done`, which is asked after each message."""
        while not is_done():
            await self.receive()

    async def follow_to(self, seq: int) -> None:
        """Receive until everything up to `seq` is here, over as many connections as it takes."""
        await self.follow_through(lambda: self.seq >= seq and self.is_current)

    async def follow_through(
        self, is_done: Callable[[], bool], *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        """Receive until `is_done`; when the server goes, come back until it is there again."""
        async with asyncio.timeout(deadline_seconds):
            while not is_done():
                try:
                    await self.receive()
                except ConnectionClosed as closed:
                    self.losses.update([str(closed)])
                    await self._come_back()

    async def close(self) -> None:
        """Leave with a closing handshake."""
        self._parts.clear()
        await self.client.close()

    async def abort(self) -> None:
        """Be gone without a word."""
        self._parts.clear()
        await self.client.abort()

    async def _come_back(self) -> None:
        self._parts.clear()
        while True:
            await asyncio.sleep(self.choose_retry())
            try:
                await self.connect()
            except UNREACHABLE:
                # The server is not up yet, or goes down again.
                continue
            else:
                return

    def choose_retry(self) -> float:
        """How long to wait before the next try to come back, in seconds."""
        return RETRY_SECONDS

    def _start(self, established: Message) -> None:
        outcome = established["resume"]
        self.starts["resume" if self.stream else "fresh", outcome] += 1
        # A copy: it may be told of another stream.
        self._established = dict(established)
        self._awaits_snapshot = outcome == "snapshot"
        if self._awaits_snapshot:
            self.reasons.update([established["resume_reason"]] if self.stream else [])
            # What is held stays, and so does what the next resume presents, until it is here.
            return
        if self.stream:
            assert established["stream"] == self.stream
            assert established["seq"] >= self.seq
        if outcome == "live":
            is_same = not self.stream or established["seq"] == self.seq
            assert is_same or not self.is_whole, f"{established} after {self.seq}"
            self.seq = established["seq"]
        self._adopt()

    def _adopt(self) -> None:
        """What is held belongs to this connection's stream and subscription now."""
        if not self.stream:
            self.state = State(self._established["keys"])
        self.stream = self._established["stream"]
        self._subscription = self._established["subscription"]

    def _take_part(self, part: Message) -> None:
        if part["part"] == 1:
            self._parts.clear()
        self._parts.append(part)
        seqs = {each["seq"] for each in self._parts}
        assert [each["part"] for each in self._parts] == list(range(1, len(self._parts) + 1))
        assert len(seqs) == 1, "the parts of a snapshot differ in seq"
        self.dropped.update(part["dropped"] if part["part"] == 1 else {})
        if part["part"] < part["parts"]:
            return
        is_past = part["stream"] == self.stream and part["seq"] < self.seq
        assert not is_past, f"a snapshot of {part['seq']} after {self.seq}"
        if not self._awaits_snapshot:
            self.resyncs += 1
        self._awaits_snapshot = False
        self._established |= {"stream": part["stream"]}
        self._adopt()
        self.seq = part["seq"]
        self.state.replace(self._parts)
        self.snapshots.append((self.seq, self.state.copy()))
        self._parts.clear()

    def _take_event(self, event: Message) -> None:
        assert not self._parts, f"{event} between the parts of a snapshot"
        assert not self._awaits_snapshot, f"{event} before the snapshot"
        assert event["seq"] > self.seq, f"{event} after {self.seq}"
        if self.is_whole:
            assert event["seq"] == self.seq + 1, f"a hole: {event} after {self.seq}"
        self.seq = event["seq"]
        self.events.append(event)
        self.state.apply(event)

    def _take_heartbeat(self, beat: Message) -> None:
        assert not self._parts, "a heartbeat between the parts of a snapshot"
        assert not self._awaits_snapshot, "a heartbeat before the snapshot"
        assert beat["seq"] >= self.seq, f"{beat} after {self.seq}"
        if self.is_whole:
            assert beat["seq"] == self.seq, f"{beat} tells of events that did not come: {self.seq}"
        self.seq = beat["seq"]
        self.beats += 1
        self.longest_delay = max(self.longest_delay, beat.get("delayed", 0.0))
