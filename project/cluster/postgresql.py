"""A PostgreSQL of the cluster's own: made once, reached by its Unix socket alone."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from signal import SIGINT
from urllib.parse import quote

import psycopg

from project.cluster.folder import Folder
from project.cluster.programs import Programs
from project.parts import (
    POLL_SECONDS,
    START_SECONDS,
    Part,
    RunError,
    StopRequest,
    check_alive,
    rights_of,
    start,
)

ROLE = DATABASE = "realtime"


def start_postgresql(programs: Programs, folder: Folder) -> Part:
    """Make its data the first time, and start it; nobody but this account reaches it."""
    data = _data_folder(programs, folder)
    if not (data / "PG_VERSION").exists():
        _initialize(programs, folder, data)
    _forget_dead_server(data)
    options = {"listen_addresses": "", "unix_socket_directories": str(folder.database)}
    command = [programs.postgres, "-D", str(data)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    # SIGTERM would wait for every client to leave.
    return start(
        "PostgreSQL",
        command,
        stop_signal=SIGINT,
        log=folder.path / "postgresql.log",
        account=folder.account,
    )


def database_url(folder: Folder) -> str:
    """Where the database is, as DATABASE_URL has it."""
    return f"postgres://{ROLE}@/{DATABASE}?host={quote(str(folder.database))}"


def make_database(part: Part, folder: Folder, stop_request: StopRequest) -> None:
    """Wait until PostgreSQL answers, and make the database the first time."""
    with _connect(part, folder, stop_request) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
        ).fetchone()
        if found is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")


def _connect(
    part: Part, folder: Folder, stop_request: StopRequest
) -> psycopg.Connection[tuple[object, ...]]:
    deadline = time.monotonic() + START_SECONDS
    while True:
        stop_request.check()
        check_alive([part])
        try:
            return psycopg.connect(
                host=str(folder.database), user=ROLE, dbname="postgres", autocommit=True
            )
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise RunError(f"PostgreSQL does not answer: {error}") from None
            time.sleep(POLL_SECONDS)


def _data_folder(programs: Programs, folder: Folder) -> Path:
    """One for each version: the next one could not read it."""
    printed = subprocess.run(
        [programs.postgres, "--version"], capture_output=True, text=True, check=True
    ).stdout
    version = printed.split()[2].partition(".")[0]
    return folder.database / f"data-{version}"


def _initialize(programs: Programs, folder: Folder, data: Path) -> None:
    # Whoever may look into the folder is let in, and nobody else finds the socket.
    options = ["-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    run = subprocess.run(
        [programs.initdb, "-D", str(data), *options],
        **rights_of(folder.account),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise RunError(f"initdb failed: {run.stderr.strip().splitlines()[-1]}")


def _forget_dead_server(data: Path) -> None:
    """Remove the note of a server that was killed, where another program has its number now.

    PostgreSQL would take that program for the server. Ours alone uses the folder, and it is locked.
    """
    note = data / "postmaster.pid"
    if not note.exists():
        return
    pid = note.read_text(encoding="utf-8").split()[0]
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return
    if os.fsencode(data) not in command:
        note.unlink()
