"""Ports for what runs on this machine: the one that was asked for, and free ones."""

from __future__ import annotations

import random
import socket

from project.parts import RunError

DEFAULT_PORT = 8000
# Below those that the system gives to outgoing connections.
FREE_PORTS = range(20_000, 32_000)


def port_from(text: str, *, command: str) -> int:
    """The port that `text` names, or the default one for empty text."""
    if not text:
        return DEFAULT_PORT
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise RunError(f"PORT={text} is not a port. Use a number, as in: PORT=8001 {command}")
    return int(text)


def check_port_is_free(host: str, port: int, *, command: str) -> None:
    """Raise RunError with the remedy when somebody listens on that port, or may not."""
    try:
        _try(host, port)
    except PermissionError:
        raise RunError(
            f"port {port} is for the system's services. Use another: PORT=8001 {command}"
        ) from None
    except OSError:
        other = port + 1 if port < 65535 else DEFAULT_PORT
        raise RunError(
            f"port {port} on {host} is taken. Stop what uses it, or use another: "
            f"PORT={other} {command}"
        ) from None


def choose_free_port(host: str) -> int:
    """A port that nobody listens on."""
    chooser = random.SystemRandom()
    while True:
        port = chooser.choice(FREE_PORTS)
        try:
            _try(host, port)
        except OSError:
            continue
        return port


def _try(host: str, port: int) -> None:
    with socket.socket() as probe:
        # As servers do, or a port that was just released would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
