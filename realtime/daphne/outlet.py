"""The way out of a Daphne connection: ready-made frames, straight to the socket when it is free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.tcp import Connection as TcpConnection
from zope.interface import implementer

from realtime.frames import Frame

if TYPE_CHECKING:
    from realtime.daphne.protocol import RealtimeWebSocketProtocol


@implementer(IPushProducer)
class DaphneOutlet:
    """Writes frames past Autobahn; Twisted says by the producer interface when to hold back."""

    def __init__(self, protocol: RealtimeWebSocketProtocol) -> None:
        self._protocol = protocol
        self._transport: Any = protocol.transport
        # TLS has to see every byte, and so has any transport that is not plainly a socket.
        self._is_plain = isinstance(self._transport, TcpConnection) and not self._transport.TLS
        self._is_paused = False
        # An attribute, not a property: it is read twice for each delivery.
        self.is_writable = protocol.may_send
        self._callback: Callable[[], None] = lambda: None
        # The HTTP channel that the connection came by still stands as the transport's producer.
        self._transport.unregisterProducer()
        self._transport.registerProducer(self, True)

    def write(self, frames: Sequence[Frame]) -> None:
        """Send frames in order; what the socket does not take at once, Twisted buffers."""
        protocol, transport = self._protocol, self._transport
        if protocol.state != protocol.STATE_OPEN:
            return
        data = frames[0].wire if len(frames) == 1 else b"".join([frame.wire for frame in frames])
        sent = 0
        # Straight to the socket when nothing waits before: the reactor's own way is to buffer, to
        # register with epoll, to write and to unregister. `_tempDataBuffer` is Twisted's own: a
        # test holds the pinned version to it.
        if (
            self._is_plain
            and not transport.dataBuffer
            and not transport._tempDataBuffer
            and transport.connected
            and not transport.disconnecting
        ):
            try:
                sent = transport.socket.send(data)
            except OSError:
                # Not now, or never again: Twisted's own write finds out which.
                sent = 0
        if sent < len(data):
            transport.write(data[sent:] if sent else data)

    def when_writable(self, callback: Callable[[], None]) -> None:
        """Call `callback` when Twisted's buffer has emptied after it was full."""
        self._callback = callback

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake, after what was written."""
        self.is_writable = False
        self._protocol.close_with(code, reason)

    def lose(self) -> None:
        """The connection is gone."""
        self._is_paused = True
        self.is_writable = False
        self._callback = lambda: None
        # Twisted keeps what was never sent for as long as the connection's objects, which refer to
        # each other, wait for Python's garbage collector.
        self._transport.dataBuffer = b""
        self._transport._tempDataBuffer = []

    # IPushProducer, called by Twisted.

    def pauseProducing(self) -> None:
        """The buffer is full."""
        self._is_paused = True
        self.is_writable = False

    def resumeProducing(self) -> None:
        """The buffer is empty."""
        if self._is_paused:
            self._is_paused = False
            self.is_writable = self._protocol.may_send
            self._callback()

    def stopProducing(self) -> None:
        """The connection is gone."""
        self.lose()
