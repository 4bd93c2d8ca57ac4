"""Daphne's WebSocket protocol with honest close codes and an outlet for ready-made frames."""

from __future__ import annotations

import time
from typing import Any

from daphne.ws_protocol import WebSocketProtocol

from realtime.conf import conf
from realtime.daphne.outlet import DaphneOutlet

# RFC 6455, 5.5: a control frame holds 125 bytes, two of them the code.
LONGEST_REASON_BYTES = 123
NORMAL_CLOSURE = 1000
SUBPROTOCOLS_HEADER = "sec-websocket-protocol"


class RealtimeWebSocketProtocol(WebSocketProtocol):
    """One connection; its application may take its outlet."""

    _outlet: DaphneOutlet | None = None
    _connected_at = 0.0

    def onConnect(self, request: Any) -> Any:
        """Leave out subprotocols that Daphne, which takes them for ASCII, would fail to read."""
        self._connected_at = time.monotonic()
        if not request.headers.get(SUBPROTOCOLS_HEADER, "").isascii():
            del request.headers[SUBPROTOCOLS_HEADER]
        return super().onConnect(request)

    def duration(self) -> float:
        """Seconds since it connected; by the wall clock, setting it could close everything."""
        return time.monotonic() - self._connected_at

    def check_timeouts(self) -> None:
        """Look at the connection's times, now and then."""
        # A clock that was set back must not silence the pings until it has caught up.
        self.last_ping: float = min(self.last_ping, time.time())
        super().check_timeouts()

    def make_outlet(self) -> DaphneOutlet:
        """The way out of this connection; from now on its limits are those of the protocol."""
        self.maxFramePayloadSize = self.maxMessagePayloadSize = conf().max_message_bytes
        self._outlet = DaphneOutlet(self)
        return self._outlet

    @property
    def may_send(self) -> bool:
        """Whether data frames may be sent."""
        return bool(self.state == self.STATE_OPEN)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Send what the application wants sent; a close goes out with its own code and reason."""
        if message.get("type") == "websocket.accept" and self.state != self.STATE_CONNECTING:
            # It was given up while it waited. Autobahn would open it again, fail over its second
            # end, and never tell the application of either.
            return
        if message.get("type") == "websocket.close" and self.state != self.STATE_CONNECTING:
            self.close_with(message.get("code") or NORMAL_CLOSURE, message.get("reason") or "")
        else:
            super().handle_reply(message)

    def close_with(self, code: int, reason: str) -> None:
        """Begin the closing handshake; Autobahn's `sendClose` refuses the codes of servers."""
        if self.may_send:
            self.sendCloseFrame(code=code, reasonUtf8=_truncate(reason), isReply=False)

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:
        """Tell the application, and the outlet that nothing can be written any more."""
        if self._outlet is not None:
            self._outlet.lose()
        super().onClose(wasClean, code, reason)


def _truncate(reason: str) -> bytes:
    return reason.encode()[:LONGEST_REASON_BYTES].decode(errors="ignore").encode()
