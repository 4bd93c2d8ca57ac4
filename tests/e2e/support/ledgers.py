"""A writer's own book of what was committed: a line that is in it has survived any kill."""

from __future__ import annotations

import os
from pathlib import Path


class Ledger:
    """Lines, each on the disk before `note` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, line: str) -> None:
        """Add a line, which has to be called after the commit that it tells of."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, f"{line}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lines(self) -> list[str]:
        """Every whole line; a kill may have torn the last."""
        if not self._path.exists():
            return []
        text = self._path.read_text(encoding="utf-8")
        return text[: text.rfind("\n") + 1].splitlines()
