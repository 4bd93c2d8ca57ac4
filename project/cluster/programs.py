"""The installed programs that a cluster is made of; what is missing is said with its remedy."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from project.parts import RunError

# Debian keeps each version's programs in a folder of its own, and administrators' off the path.
POSTGRESQL_FOLDERS = Path("/usr/lib/postgresql")
FURTHER_FOLDERS = ("/usr/sbin", "/usr/local/sbin")
PACKAGES = {
    "postgres": "postgresql",
    "initdb": "postgresql",
    "redis-server": "redis-server",
    "nginx": "nginx-light",
}


@dataclass(frozen=True)
class Programs:
    """Where the programs are."""

    postgres: str
    initdb: str
    redis_server: str
    nginx: str


def find_programs() -> Programs:
    """All programs; RunError names those that are missing and what to install."""
    found = {name: _find(name) for name in PACKAGES}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        packages = " ".join(dict.fromkeys(PACKAGES[name] for name in missing))
        raise RunError(
            f"{', '.join(missing)} not found. On Debian or Ubuntu: apt-get install {packages}"
        )
    return Programs(**{name.replace("-", "_"): str(path) for name, path in found.items()})


def _find(name: str) -> str | None:
    newest_first = sorted(
        (folder for folder in POSTGRESQL_FOLDERS.glob("*/bin")),
        key=lambda folder: int(folder.parent.name) if folder.parent.name.isdecimal() else 0,
        reverse=True,
    )
    folders = [os.environ.get("PATH", os.defpath), *FURTHER_FOLDERS, *map(str, newest_first)]
    return shutil.which(name, path=os.pathsep.join(folders))
