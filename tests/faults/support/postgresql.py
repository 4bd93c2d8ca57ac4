"""A PostgreSQL server of the tests' own, to be killed, frozen and restarted."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg

from tests.e2e.support.processes import DEADLINE_SECONDS
from tests.e2e.support.servers import LOOK_EVERY_SECONDS, choose_port

ROLE = "faults"
# As root it has to run as somebody else; Debian's package makes this account.
ACCOUNT = "postgres"
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    # Processes die here, machines do not.
    "fsync": "off",
}
TERMINATE = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


def find_programs() -> Path | None:
    """The folder with `initdb` and `postgres`: that of the newest version, if there is one."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(versions, key=lambda path: float(path.parent.name), default=None)


IS_INSTALLED = find_programs() is not None


class Postgresql:
    """One server process at a time, always on the same port and data."""

    def __init__(self) -> None:
        programs = find_programs()
        assert programs is not None, "PostgreSQL is not installed"
        self._programs = programs
        self._port = choose_port()
        # Not below pytest's folder, which the server's account may not enter.
        self._folder = Path(tempfile.mkdtemp(prefix="realtime-faults-"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes]
        # Of a database that always exists: others are made from there.
        self.url = f"postgres://{ROLE}@127.0.0.1:{self._port}/postgres"
        if os.getuid() == 0:
            shutil.chown(self._folder, ACCOUNT)

    def create(self) -> None:
        """Make its data, and start it."""
        arguments = ["-D", str(self._data), "-U", ROLE, "--auth", "trust", "--no-sync"]
        subprocess.run(
            [str(self._programs / "initdb"), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            **_account(),
        )
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-p", str(self._port), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is the tests' own.
                start_new_session=True,
                **_account(),
            )
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, f"PostgreSQL does not answer:\n{self.log}"
            time.sleep(LOOK_EVERY_SECONDS)

    @property
    def log(self) -> str:
        """What it has logged."""
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def version(self) -> str:
        """Its version, as it tells it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute("SHOW server_version").fetchone()
        assert row is not None
        return str(row[0])

    def stop(self) -> None:
        """Stop it, which ends every connection and transaction, in order."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(DEADLINE_SECONDS)

    def kill(self) -> None:
        """End it as a power cut would: its next start has to recover."""
        self._signal_all(signal.SIGKILL)
        self._process.wait(DEADLINE_SECONDS)

    def freeze(self) -> None:
        """Let it take connections and bytes, and answer nothing."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def terminate_connections(self) -> int:
        """End every connection but this one; returns how many there were."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute(TERMINATE).fetchone()
        assert row is not None
        return int(row[0])

    def dispose(self) -> None:
        """End it and remove its data."""
        self.kill()
        shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _signal_all(self, number: signal.Signals) -> None:
        # While it is stopped it starts no process that would be left out.
        self._process.send_signal(signal.SIGSTOP)
        for pid in (*_children(self._process.pid), self._process.pid):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _children(pid: int) -> Iterable[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return map(int, listed.split())


def _account() -> dict[str, Any]:
    """As whom to run: PostgreSQL refuses to be root."""
    if os.getuid() != 0:
        return {}
    entry = pwd.getpwnam(ACCOUNT)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
