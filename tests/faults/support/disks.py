"""A small disk of a test's own, that can be filled to the last byte."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

IS_AVAILABLE = os.getuid() == 0 and shutil.which("mount") is not None
MEGABYTES = 24
CHUNK_BYTES = 64 * 1024


class Disk:
    """A file system in memory: it needs root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        options = f"size={MEGABYTES}m,mode=700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)

    def fill(self) -> None:
        """Leave no room, not for a byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (CHUNK_BYTES, 1):
                self._write_all(file.fileno(), bytes(size))

    def make_room(self) -> None:
        """Give back what `fill` has taken."""
        self._ballast.unlink(missing_ok=True)

    def dispose(self) -> None:
        """Unmount it; nobody may use it any more."""
        subprocess.run(["umount", str(self.folder)], check=True)

    def _write_all(self, file: int, chunk: bytes) -> None:
        while True:
            try:
                os.write(file, chunk)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return
