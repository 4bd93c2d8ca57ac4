"""A wall clock that jumps, for the processes that are started with it, and for no other."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

COMPILER = "cc"
IS_AVAILABLE = shutil.which(COMPILER) is not None
SOURCE = Path(__file__).with_name("shifted_clock.c")
SHIFT = struct.Struct("=q")


class Clock:
    """Right at first; monotonic clocks stay right."""

    def __init__(self, folder: Path) -> None:
        library = folder / "shifted_clock.so"
        subprocess.run(
            [COMPILER, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)], check=True
        )
        self._file = folder / "shift"
        self._shift = 0
        self.jump(0)
        self.environment = {"LD_PRELOAD": str(library), "SHIFTED_CLOCK": str(self._file)}

    def jump(self, seconds: int) -> None:
        """Set it forward, or back, from where it is."""
        self._shift += seconds
        # In place: the processes have this file in their memory.
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(SHIFT.pack(self._shift))
