"""A TCP proxy before a service, which stops forwarding when a test says so: the service freezes."""

from __future__ import annotations

import contextlib
import socket
import threading

CHUNK_BYTES = 65536


class FreezingProxy:
    """Forwards connections on loopback to `port`; frozen, it takes all and passes nothing."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._flows = threading.Event()
        self._flows.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        # How many connections were ever made through it.
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Pass nothing on, in either direction."""
        self._flows.clear()

    def thaw(self) -> None:
        """Pass on what waits, and everything from now on."""
        self._flows.set()

    def close(self) -> None:
        """End every connection, and take no other."""
        self.thaw()
        for each in (self._listener, *self._sockets):
            _end(each)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                server = socket.create_connection(self._target)
                self._sockets += (client, server)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                self._flows.wait()
                sink.sendall(data)
        self._flows.wait()
        _end(source)
        _end(sink)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
