"""Where a cluster keeps its files: beside the project, or in the temp folder where it must."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from project.environment import ROOT
from project.parts import RunError, rights_of

BESIDE_THE_PROJECT = ROOT / "var" / "cluster"
VARIABLE = "CLUSTER_FOLDER"
# PostgreSQL refuses to run as root: the first of these that exists runs it then.
ACCOUNTS = ("postgres", "nobody")
# sockaddr_un(7): 108 bytes, with the name that each program gives its socket.
LONGEST_SOCKET_FOLDER = 80


@dataclass(frozen=True)
class Folder:
    """A private folder, and within it what belongs to the account that runs PostgreSQL."""

    path: Path
    # None: ourselves.
    account: str | None

    @property
    def database(self) -> Path:
        """What PostgreSQL's account may write."""
        return self.path / "postgresql"

    @property
    def processes(self) -> Path:
        """Which processes run, for a next run that finds them left behind."""
        return self.path / "processes"

    def lock(self) -> IO[str]:
        """Hold the folder for as long as the answer is open; RunError when another run does."""
        file = (self.path / "lock").open("a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise RunError(
                f"it runs already, as process {file.read().strip()}; stop that with Ctrl-C."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file


def make_folder() -> Folder:
    """The folder that CLUSTER_FOLDER names, or the first that serves; RunError when none does.

    PostgreSQL's account has to reach it, and its sockets' paths may not be too long.
    """
    account = _account()
    named = os.environ.get(VARIABLE)
    candidates = [Path(named).absolute()] if named else [BESIDE_THE_PROJECT, _in_the_temp_folder()]
    for path in candidates:
        if len(os.fsencode(path)) > LONGEST_SOCKET_FOLDER:
            continue
        folder = Folder(path, account)
        try:
            _make(folder)
        except OSError:
            continue
        if _can_be_reached(folder):
            return folder
    raise RunError(
        f"{' and '.join(map(str, candidates))} cannot be used: too long a path, or closed to "
        f"{account or 'this account'}. Name another folder: {VARIABLE}=/path make run-cluster"
    )


def _account() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    for account in ACCOUNTS:
        if account in names:
            return account
    raise RunError(f"PostgreSQL does not run as root, and there is no account {ACCOUNTS[0]}.")


def _in_the_temp_folder() -> Path:
    """One for each clone and account."""
    clone = hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"run-cluster-{os.geteuid()}-{clone}"


def _make(folder: Folder) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    found = folder.path.lstat()
    # Anybody may make a folder of this name in the temp folder, or a link.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(folder.path)
    # PostgreSQL's account passes through, and sees nothing.
    folder.path.chmod(0o711 if folder.account else 0o700)
    folder.database.mkdir(exist_ok=True)
    if folder.account:
        entry = pwd.getpwnam(folder.account)
        os.chown(folder.database, entry.pw_uid, entry.pw_gid)
    folder.database.chmod(0o700)


def _can_be_reached(folder: Folder) -> bool:
    """Whether the account gets there: the folders above may be closed to it."""
    if folder.account is None:
        return True
    probe = subprocess.run(
        ["test", "-w", str(folder.database)],
        **rights_of(folder.account),
        cwd="/",
        check=False,
    )
    return probe.returncode == 0
