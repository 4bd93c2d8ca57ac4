"""The record of a run: what was injected and what was counted, as a dated JSON file."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.e2e.support.processes import ROOT

# The file to write; none, and the record is forgotten.
VARIABLE = "PROOF"


class Proof:
    """Collects a note for each round of each fault, and writes them when the run is over."""

    def __init__(self) -> None:
        self.notes: list[dict[str, Any]] = []
        self.versions: dict[str, str] = {}

    def note(self, fault: str, *, injected: dict[str, Any], counted: dict[str, Any]) -> None:
        """Add what was done and what was counted in one round of `fault`."""
        self.notes.append({"fault": fault, "injected": injected, "counted": counted})

    def write(self) -> None:
        """Write the file that the environment names."""
        target = os.environ.get(VARIABLE)
        if not target or not self.notes:
            return
        record = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": _commit(),
            "python": platform.python_version(),
            "processors": os.cpu_count(),
            # Of the last 1, 5 and 15 minutes: other work beside it makes delays longer.
            "load_average": [round(load, 1) for load in os.getloadavg()],
            **self.versions,
            "rounds": self.notes,
        }
        Path(target).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _commit() -> str:
    run = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.strip() or "unknown"
