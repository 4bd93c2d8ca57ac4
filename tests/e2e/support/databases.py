"""The database of one test, read directly: never through Django, which is what is tested."""

from __future__ import annotations

import os
import shutil
import sqlite3
from abc import ABC, abstractmethod
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

Row = dict[str, Any]

_numbers = count(1)

SERVICE_URL = os.environ.get("DATABASE_URL", "")
IS_POSTGRESQL = SERVICE_URL.startswith(("postgres://", "postgresql://"))


class Database(ABC):
    """A database that some test has for itself."""

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    def rows(self, statement: str) -> list[Row]:
        """Read rows, in a connection of its own."""

    @abstractmethod
    def execute(self, statement: str) -> None:
        """Change something behind the project's back, and commit it."""

    @abstractmethod
    def copy(self, name: str) -> Database:
        """A database of its own with the same rows; nobody may be connected to this one."""

    @abstractmethod
    def drop(self) -> None:
        """Remove it, whoever is connected."""

    def row(self, statement: str) -> Row:
        """Read the one row that there is."""
        (row,) = self.rows(statement)
        return row


class SqliteDatabase(Database):
    """A file."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"sqlite:///{path}")
        self._path = path

    def rows(self, statement: str) -> list[Row]:
        with closing(sqlite3.connect(self._path, timeout=30)) as connection:
            cursor = connection.execute(statement)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, values, strict=True)) for values in cursor]

    def execute(self, statement: str) -> None:
        with closing(sqlite3.connect(self._path, timeout=30)) as connection, connection:
            connection.execute(statement)

    def copy(self, name: str) -> Database:
        path = self._path.with_name(f"{name}.sqlite3")
        shutil.copyfile(self._path, path)
        return SqliteDatabase(path)

    def drop(self) -> None:
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink()


class PostgresqlDatabase(Database):
    """A database of a PostgreSQL server: of the one that DATABASE_URL names, or of another."""

    def __init__(self, name: str, *, server_url: str = SERVICE_URL) -> None:
        super().__init__(server_url.rpartition("/")[0] + f"/{name}")
        self._name = name
        self._server_url = server_url

    def rows(self, statement: str) -> list[Row]:
        with psycopg.connect(self.url, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(sql.SQL(statement)).fetchall()

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement))

    def copy(self, name: str) -> Database:
        made = PostgresqlDatabase(f"{self._name}_{name}", server_url=self._server_url)
        made.create(template=self._name)
        return made

    def create(self, *, template: str = "template1") -> None:
        """Make it, with the rows of `template`."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._administrate(statement.format(*map(sql.Identifier, (self._name, template))))

    def drop(self) -> None:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self._administrate(statement.format(sql.Identifier(self._name)))

    def _administrate(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            connection.execute(statement)


def make_database(folder: Path) -> Database:
    """An empty database: a file, or one of the server that DATABASE_URL names."""
    if not IS_POSTGRESQL:
        return SqliteDatabase(folder / "blank.sqlite3")
    # Fixtures that another folder borrows are made again there.
    made = PostgresqlDatabase(f"e2e_{os.getpid()}_{next(_numbers)}")
    made.drop()
    made.create()
    return made
