"""The load generator's process: thousands of clients on one epoll, lean enough not to be measured.

Reads one JSON line of orders at a time from its standard input, and answers each with one.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from benchmarks.clients import Client, Ledger
from benchmarks.latency import summarise
from benchmarks.machine import allow_many_files
from benchmarks.websocket import Handshake, ProtocolViolation

READ_BYTES = 256 * 1024
# Connections that are on their way at the same time: less than a listen queue holds.
OPENING_AT_ONCE = 64
# Ephemeral ports of one source address; the next clients come from the next one.
PORTS_PER_ADDRESS = 20_000
ORDERS = 0
TURN_SECONDS = 0.1


class Generator:
    """Opens connections and reads whatever comes."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._poll = select.epoll()
        self._open: dict[int, tuple[socket.socket, Client]] = {}
        self._requests: dict[int, bytes] = {}

    def connect(self, *, port: int, path: str, token: str, clients: int, seconds: float) -> None:
        """Open that many connections and wait for each one's snapshot; raises TimeoutError."""
        waiting = deque(range(clients))
        wanted = self.ledger.ready + clients
        deadline = time.monotonic() + seconds
        while self.ledger.ready < wanted:
            if time.monotonic() > deadline or self.ledger.lost:
                raise TimeoutError(
                    f"{self.ledger.ready} of {wanted} clients are ready; {self.ledger.problems}"
                )
            while waiting and len(self._open) - self.ledger.ready < OPENING_AT_ONCE:
                self._begin(waiting.popleft(), port=port, path=path, token=token)
            self.turn(TURN_SECONDS)

    def read_until(self, is_enough: Callable[[], bool], *, seconds: float) -> bool:
        """Read until `is_enough`; False when it is not in time."""
        deadline = time.monotonic() + seconds
        while not is_enough():
            if time.monotonic() > deadline:
                return False
            self.turn(TURN_SECONDS)
        return True

    def read_until_ordered(self) -> None:
        """Read until the next order comes."""
        self._poll.register(ORDERS, select.EPOLLIN)
        try:
            while not self.turn(None):
                pass
        finally:
            self._poll.unregister(ORDERS)

    def turn(self, seconds: float | None) -> bool:
        """Serve every socket that has something; True when an order waits."""
        is_ordered = False
        for fd, _ in self._poll.poll(seconds):
            if fd == ORDERS:
                is_ordered = True
            elif fd in self._requests:
                self._send_request(fd)
            else:
                self._receive(fd)
        return is_ordered

    def _begin(self, number: int, *, port: int, path: str, token: str) -> None:
        opening = socket.socket()
        opening.setblocking(False)
        if number >= PORTS_PER_ADDRESS:
            opening.bind((f"127.0.0.{1 + number // PORTS_PER_ADDRESS}", 0))
        with contextlib.suppress(BlockingIOError):
            opening.connect(("127.0.0.1", port))
        handshake = Handshake(host=f"127.0.0.1:{port}", path=path, token=token)
        self._open[opening.fileno()] = (opening, Client(handshake, self.ledger))
        self._requests[opening.fileno()] = handshake.request
        self._poll.register(opening.fileno(), select.EPOLLOUT)

    def _send_request(self, fd: int) -> None:
        request = self._requests.pop(fd)
        try:
            self._open[fd][0].sendall(request)
        except OSError as error:
            self._lose(fd, f"cannot connect: {error}")
        else:
            self._poll.modify(fd, select.EPOLLIN)

    def _receive(self, fd: int) -> None:
        connection, client = self._open[fd]
        try:
            data = connection.recv(READ_BYTES)
            at_ns = time.monotonic_ns()
            if not data:
                self._lose(fd, "the server hung up")
                return
            self.ledger.bytes_received += len(data)
            answer = client.receive(data, at_ns)
            if answer:
                connection.sendall(answer)
        except BlockingIOError:
            return
        except (OSError, ProtocolViolation) as error:
            self._lose(fd, str(error))

    def _lose(self, fd: int, why: str) -> None:
        self._poll.unregister(fd)
        connection, _ = self._open.pop(fd)
        connection.close()
        self.ledger.lost += 1
        self.ledger.note_problem(why)


def finish(generator: Generator, order: dict[str, Any], started: tuple[float, float]) -> Any:
    """Read what is still on its way, and sum up."""
    changes = orjson.loads(Path(order["changes"]).read_bytes()) if order["changes"] else []
    ledger = generator.ledger
    wanted = len(changes) * ledger.ready

    def has_everything() -> bool:
        return sum(map(len, ledger.receipts.values())) >= wanted

    is_complete = generator.read_until(has_everything, seconds=order["seconds"])
    wall, cpu = time.monotonic() - started[0], time.process_time() - started[1]
    return {
        "clients": ledger.ready,
        "lost": ledger.lost,
        "is_complete": is_complete,
        "wanted": wanted,
        "resyncs": ledger.resyncs,
        "problem_count": ledger.problem_count,
        "problems": ledger.problems,
        "counts": dict(ledger.counts),
        "bytes_received": ledger.bytes_received,
        "generator_share": cpu / wall,
        **summarise(changes, ledger.receipts),
    }


def answer(content: Any) -> None:
    """Tell the process that gave the order."""
    os.write(1, orjson.dumps(content) + b"\n")


def main() -> None:
    """Obey: `connect`, then `finish`."""
    allow_many_files()
    generator = Generator()
    started = (time.monotonic(), time.process_time())
    for line in iter(sys.stdin.buffer.raw.readline, b""):  # type: ignore[attr-defined]
        order = orjson.loads(line)
        if order.pop("do") == "finish":
            answer(finish(generator, order, started))
            return
        try:
            began = time.monotonic()
            generator.connect(**order)
        except TimeoutError as error:
            answer({"error": str(error)})
            return
        answer({"ready": generator.ledger.ready, "seconds": time.monotonic() - began})
        started = (time.monotonic(), time.process_time())
        generator.read_until_ordered()


if __name__ == "__main__":
    main()
