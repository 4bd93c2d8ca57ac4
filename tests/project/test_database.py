"""The connections to PostgreSQL, as the settings make them."""

from __future__ import annotations

import socket

import pytest
from django.db import connection

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="needs PostgreSQL: set DATABASE_URL"
    ),
]


@pytest.mark.django_db
def test_server_that_vanishes_without_a_word_is_given_up_soon() -> None:
    connection.ensure_connection()
    with socket.socket(fileno=connection.connection.fileno()) as wire:
        try:
            assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            keepalive = [
                wire.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            ]
            assert keepalive == [10, 5, 2]
            assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15_000
        finally:
            # It is the connection's.
            wire.detach()
