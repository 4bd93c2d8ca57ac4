"""Our Daphne: what it takes from Twisted, Autobahn and Daphne is there, and behaves as we need."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from daphne.access import AccessLogGenerator
from daphne.cli import CommandLineInterface
from daphne.server import Server
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings
from twisted.internet import reactor
from twisted.internet.abstract import FileDescriptor
from twisted.internet.tcp import Connection as TcpConnection

from realtime.conf import conf
from realtime.daphne.cli import RealtimeCommandLineInterface
from realtime.daphne.outlet import DaphneOutlet
from realtime.daphne.protocol import (
    LONGEST_REASON_BYTES,
    RealtimeWebSocketProtocol,
    _truncate,
)
from realtime.daphne.server import RealtimeServer
from realtime.frames import Frame
from realtime.management.commands.runserver import Command
from realtime.masking import MASK
from realtime.outlets import OUTLET_EXTENSION

TOKEN = "0123456789abcdef" * 4


class QuietReactor:
    """A reactor that never calls anybody: the test writes when it wants to."""

    def __init__(self) -> None:
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        """Nothing is read."""

    removeReader = addReader

    def addWriter(self, writer: Any) -> None:
        self.writers.add(writer)

    def removeWriter(self, writer: Any) -> None:
        self.writers.discard(writer)


class Protocol:
    """As much of a WebSocket protocol as an outlet needs."""

    STATE_OPEN = RealtimeWebSocketProtocol.STATE_OPEN

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.state = self.STATE_OPEN
        self.closed: tuple[int, str] | None = None

    @property
    def may_send(self) -> bool:
        return bool(self.state == self.STATE_OPEN)

    def close_with(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


class Line:
    """A real socket pair: Twisted's transport at one end, the client at the other."""

    def __init__(self) -> None:
        ours, self.client = socket.socketpair()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        self.client.settimeout(10)
        self.transport = TcpConnection(ours, None, QuietReactor())
        self.transport.connected = True
        self.protocol = Protocol(self.transport)
        self.outlet = DaphneOutlet(self.protocol)  # type: ignore[arg-type]

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            if self.transport.dataBuffer or self.transport._tempDataBuffer:
                # What the reactor does when the socket is free.
                self.transport.doWrite()
            data += self.client.recv(min(65536, count - len(data)))
        return data

    def close(self) -> None:
        self.client.close()
        self.transport.socket.close()


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


SMALL = Frame(b'{"n":1}')
BIG = Frame(b"x" * 500_000)


# Twisted's own workings.


def test_transport_has_the_buffers_that_the_outlet_looks_at() -> None:
    transport = FileDescriptor(QuietReactor())
    transport.connected = 1
    assert transport.dataBuffer == b""
    assert transport._tempDataBuffer == []
    transport.write(b"waiting")
    assert transport._tempDataBuffer == [b"waiting"]
    assert TcpConnection.TLS is False


def test_buffers_are_empty_exactly_when_nothing_waits(line: Line) -> None:
    line.transport.write(b"x" * 300_000)
    assert line.transport._tempDataBuffer
    line.transport.doWrite()
    assert line.transport.dataBuffer
    assert not line.transport._tempDataBuffer
    line.read(300_000)
    line.transport.doWrite()
    assert line.transport.dataBuffer == b""
    assert line.transport._tempDataBuffer == []


# The outlet.


def test_free_socket_is_written_at_once(line: Line) -> None:
    line.outlet.write([SMALL])
    assert not line.transport.reactor.writers
    assert line.read(SMALL.size) == SMALL.wire
    line.outlet.write([SMALL, SMALL])
    assert line.read(2 * SMALL.size) == SMALL.wire * 2


def test_nothing_overtakes_what_twisted_holds(line: Line) -> None:
    line.outlet.write([BIG])
    line.outlet.write([SMALL])
    line.outlet.write([BIG, SMALL])
    wanted = BIG.wire + SMALL.wire + BIG.wire + SMALL.wire
    assert line.read(len(wanted)) == wanted


def test_full_buffer_pauses_and_an_empty_one_resumes(line: Line) -> None:
    calls: list[bool] = []
    line.outlet.when_writable(lambda: calls.append(line.outlet.is_writable))
    assert line.outlet.is_writable
    line.outlet.write([BIG])
    assert not line.outlet.is_writable
    assert calls == []
    line.read(BIG.size)
    line.transport.doWrite()
    assert line.outlet.is_writable
    assert calls == [True]


def test_socket_that_refuses_is_left_to_twisted(line: Line) -> None:
    while True:
        try:
            line.transport.socket.send(b"x" * 65536)
        except BlockingIOError:
            break
    line.outlet.write([SMALL])
    assert line.transport._tempDataBuffer == [SMALL.wire]


@pytest.mark.parametrize("state", ["disconnecting", "unconnected"])
def test_connection_that_ends_is_not_written_past_twisted(line: Line, state: str) -> None:
    if state == "disconnecting":
        line.transport.disconnecting = True
    else:
        line.transport.connected = False
    line.outlet.write([SMALL])
    line.client.setblocking(False)
    with pytest.raises(BlockingIOError):
        line.client.recv(1)


def test_closing_connection_takes_nothing_more(line: Line) -> None:
    line.outlet.close(1013, "too_slow")
    assert line.protocol.closed == (1013, "too_slow")
    assert not line.outlet.is_writable
    line.protocol.state = RealtimeWebSocketProtocol.STATE_CLOSING
    line.outlet.write([SMALL])
    line.client.setblocking(False)
    with pytest.raises(BlockingIOError):
        line.client.recv(1)


def test_lost_connection_calls_nobody(line: Line) -> None:
    calls: list[bool] = []
    line.outlet.when_writable(lambda: calls.append(True))
    line.outlet.pauseProducing()
    line.protocol.state = RealtimeWebSocketProtocol.STATE_CLOSED
    line.outlet.stopProducing()
    line.outlet.resumeProducing()
    assert calls == []
    assert not line.outlet.is_writable


def test_resuming_what_was_not_paused_calls_nobody(line: Line) -> None:
    calls: list[bool] = []
    line.outlet.when_writable(lambda: calls.append(True))
    line.outlet.resumeProducing()
    assert calls == []


# The protocol.


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("", b""),
        ("too_slow", b"too_slow"),
        ("x" * 123, b"x" * 123),
        ("x" * 200, b"x" * 123),
        ("é" * 100, "é".encode() * 61),
        ("x" + "é" * 61, b"x" + "é".encode() * 61),
        ("xx" + "é" * 61, b"xx" + "é".encode() * 60),
        ("€" * 60, "€".encode() * 41),
        ("😀" * 40, "😀".encode() * 30),
    ],
)
def test_reason_fits_a_control_frame_and_stays_utf8(reason: str, sent: bytes) -> None:
    assert _truncate(reason) == sent
    assert len(sent) <= LONGEST_REASON_BYTES


class ClosingProtocol(RealtimeWebSocketProtocol):
    """Remembers the close frames that it sends."""

    def __init__(self, state: int) -> None:
        self.state = state
        self.sent: list[tuple[int, bytes]] = []

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        assert not isReply
        assert code is not None
        assert reasonUtf8 is not None
        self.sent.append((code, reasonUtf8))


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        ({"code": 1012, "reason": "server_closing"}, (1012, b"server_closing")),
        ({"code": 1008}, (1008, b"")),
        ({"code": None, "reason": None}, (1000, b"")),
        ({}, (1000, b"")),
    ],
)
def test_close_goes_out_with_its_own_code_and_reason(
    message: dict[str, Any], frame: tuple[int, bytes]
) -> None:
    protocol = ClosingProtocol(RealtimeWebSocketProtocol.STATE_OPEN)
    protocol.handle_reply({"type": "websocket.close", **message})
    assert protocol.sent == [frame]


def test_closed_connection_sends_no_second_close() -> None:
    protocol = ClosingProtocol(RealtimeWebSocketProtocol.STATE_CLOSED)
    protocol.handle_reply({"type": "websocket.close", "code": 1012})
    assert protocol.sent == []


def test_codes_of_servers_are_refused_by_autobahn_itself() -> None:
    """Why close frames are sent below `sendClose`."""
    protocol = RealtimeWebSocketProtocol()
    with pytest.raises(Exception, match="invalid close code 1012"):
        protocol.sendClose(1012, "server_closing")


def test_autobahn_can_send_a_close_frame_by_itself() -> None:
    assert callable(RealtimeWebSocketProtocol.sendCloseFrame)
    for limit in ("maxFramePayloadSize", "maxMessagePayloadSize"):
        assert limit in RealtimeWebSocketProtocol.CONFIG_ATTRS_COMMON


class TimedProtocol(ClosingProtocol):
    """An open connection; remembers its pings."""

    def __init__(self, server: RealtimeServer) -> None:
        super().__init__(RealtimeWebSocketProtocol.STATE_OPEN)
        self.server = server
        self.pings = 0
        self.last_ping = self.socket_opened = time.time()
        self._connected_at = time.monotonic()

    def _sendAutoPing(self) -> None:
        self.pings += 1

    def serverClose(self) -> None:
        self.sent.append((1000, b""))


def test_clock_that_is_set_forward_closes_no_connection(
    server: RealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = TimedProtocol(server)
    later = time.time() + 2 * server.websocket_timeout
    monkeypatch.setattr(time, "time", lambda: later)
    protocol.check_timeouts()
    assert protocol.sent == []


def test_connection_still_ends_after_a_day(
    server: RealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = TimedProtocol(server)
    later = time.monotonic() + server.websocket_timeout + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    protocol.check_timeouts()
    assert protocol.sent == [(1000, b"")]


def test_clock_that_is_set_back_does_not_silence_the_pings(
    server: RealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = TimedProtocol(server)
    earlier = time.time() - 3600
    for seconds in (0, server.ping_interval + 1):
        monkeypatch.setattr(time, "time", lambda now=earlier + seconds: now)
        protocol.check_timeouts()
    assert protocol.pings == 1


# The server.


@pytest.fixture
def server() -> RealtimeServer:
    return RealtimeServer(application=None, endpoints=["tcp:0"])


def test_daphne_has_the_points_that_we_override() -> None:
    for name in ("create_application", "listen_success", "log_action", "kill_all_applications"):
        assert callable(getattr(Server, name))
    assert CommandLineInterface.server_class is not RealtimeServer
    assert RealtimeCommandLineInterface.server_class is RealtimeServer
    assert Command.server_cls is RealtimeServer


def test_timers_go_by_a_clock_that_nobody_sets(
    server: RealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reactor, "seconds", reactor.seconds)
    monkeypatch.setattr(Server, "run", lambda _: None)
    server.run()
    call = reactor.callLater(60, list)
    call.cancel()
    assert call.getTime() == pytest.approx(time.monotonic() + 60, abs=60)


def test_access_log_shows_no_token() -> None:
    stream = io.StringIO()
    server = RealtimeServer(
        application=None, endpoints=["tcp:0"], action_logger=AccessLogGenerator(stream)
    )
    details = {"path": f"/ws?token={TOKEN}&feeds=a", "client": "127.0.0.1:5000"}
    server.log_action("websocket", "connecting", details)
    assert TOKEN not in stream.getvalue()
    assert f"token={MASK}&feeds=a" in stream.getvalue()
    assert details["path"].endswith("feeds=a")


def test_ready_server_makes_our_protocol_and_calls_who_else_waits() -> None:
    called: list[bool] = []
    server = RealtimeServer(
        application=None, endpoints=["tcp:0"], ready_callable=lambda: called.append(True)
    )

    class Factory:
        protocol: Any = None
        timeOut = 0.0
        options: dict[str, Any] = {}

        def setProtocolOptions(self, **options: Any) -> None:
            self.options = options

    server.ws_factory = Factory()
    server.http_factory = Factory()
    server.ready_callable()
    assert server.http_factory.timeOut == conf().handshake_seconds
    assert server.ws_factory.protocol is RealtimeWebSocketProtocol
    assert server.ws_factory.options["failByDrop"] is False
    assert called == [True]


def test_websocket_applications_are_offered_the_outlet(
    server: RealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(
        Server, "create_application", lambda self, protocol, scope: seen.append(scope)
    )
    protocol = RealtimeWebSocketProtocol()
    scope = {"client": None, "headers": [], "root_path": ""}
    server.create_application(protocol, {"type": "websocket", **scope})
    server.create_application(SimpleNamespace(), {"type": "http", **scope})
    assert seen[0]["extensions"][OUTLET_EXTENSION] == protocol.make_outlet
    assert seen[1] == {"type": "http", **scope}


def test_limits_of_a_command_are_those_of_the_protocol(line: Line, settings: Settings) -> None:
    settings.REALTIME_MAX_MESSAGE_BYTES = 2048
    protocol = RealtimeWebSocketProtocol()
    protocol.transport = line.transport
    protocol.state = RealtimeWebSocketProtocol.STATE_OPEN
    line.transport.unregisterProducer()
    outlet = protocol.make_outlet()
    assert isinstance(outlet, DaphneOutlet)
    assert protocol.maxFramePayloadSize == protocol.maxMessagePayloadSize == 2048


def test_bad_setting_ends_the_start_with_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, path: str) -> None:
        raise ImproperlyConfigured("REALTIME_X is not a setting.")

    monkeypatch.setattr(CommandLineInterface, "load_asgi_app", fail)
    with pytest.raises(SystemExit, match="cannot start: REALTIME_X is not a setting"):
        RealtimeCommandLineInterface().load_asgi_app("project.asgi:application")
