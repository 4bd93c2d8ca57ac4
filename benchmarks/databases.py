"""A database for each measurement, made before it and dropped after it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis

SQLITE = "SQLite"
POSTGRESQL = "PostgreSQL"
DEFAULT_SERVER = "postgres://postgres@127.0.0.1:5432/postgres"
DEFAULT_REDIS = "redis://127.0.0.1:6379/0"


class Missing(Exception):
    """A service that a measurement needs is not there."""


@contextmanager
def fresh_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database; raises Missing when its server cannot be reached."""
    if kind == SQLITE:
        yield f"sqlite:///{folder}/bench.sqlite3"
        return
    parts = urlsplit(_postgresql_server())
    name = f"bench_{secrets.token_hex(4)}"
    _run(f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        _run(f"DROP DATABASE {name} WITH (FORCE)")


@cache
def missing_services() -> tuple[str, ...]:
    """A sentence for each service that does not answer."""
    found = []
    try:
        _run("SELECT 1")
    except Missing as error:
        found.append(f"{error}; its figures are left out")
    if not redis_url():
        found.append("Redis cannot be reached (REDIS_URL); PostgreSQL is measured without it")
    return tuple(found)


def usable_databases() -> tuple[str, ...]:
    """The kinds that can be measured here."""
    try:
        _run("SELECT 1")
    except Missing:
        return (SQLITE,)
    return (SQLITE, POSTGRESQL)


@cache
def redis_url() -> str:
    """Where Redis is; empty when it does not answer."""
    url = os.environ.get("REDIS_URL") or DEFAULT_REDIS
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=2) as server:
            server.ping()
    except redis.RedisError:
        return ""
    return url


def _postgresql_server() -> str:
    given = os.environ.get("DATABASE_URL", "")
    return given if given.startswith(("postgres://", "postgresql://")) else DEFAULT_SERVER


def _run(statement: str) -> None:
    try:
        with psycopg.connect(_postgresql_server(), autocommit=True, connect_timeout=5) as server:
            server.execute(statement.encode())
    except psycopg.OperationalError as error:
        raise Missing(f"PostgreSQL cannot be reached (DATABASE_URL): {error}") from None
