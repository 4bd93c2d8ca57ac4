"""A writer in a process of its own that does what a test asks, at once: nothing starts anew."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.support.processes import ROOT, make_environment


class Desk:
    """Calls functions of a module in another process."""

    def __init__(
        self,
        database_url: str,
        log: Path,
        *,
        actions: str = "tests.e2e.support.actions",
        **changes: str,
    ) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.support.desk_worker", actions],
                cwd=ROOT,
                env=make_environment(database_url, **changes),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._log = log

    def call(self, action: str, **arguments: Any) -> Any:
        """Run one action to its end; returns what it returns, fails when it fails."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([action, arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the desk has ended:\n{self._log.read_text(encoding='utf-8')}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def publish_log(self, message: str) -> None:
        """Publish one line of the system log."""
        self.call("publish_logs", messages=[message])

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=30)
