"""The program: soaks for SOAK_SECONDS, prints a table, ends with 0 when nothing grew.

usage: python -m tests.soak [SECONDS]
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from tests.faults.support.proof import Proof
from tests.soak.report import Report
from tests.soak.services import running_cluster
from tests.soak.soak import ENVIRONMENT, Soak

SECONDS = 600.0


def main(arguments: list[str]) -> int:
    """Run once; a broken promise ends it with its traceback."""
    # So that what was started ends, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    seconds = float(arguments[0] if arguments else os.environ.get("SOAK_SECONDS", SECONDS))
    proof = Proof()
    with running_cluster(**ENVIRONMENT) as (cluster, desk):
        proof.versions["postgresql"] = cluster.postgresql.version
        report: Report = asyncio.run(Soak(cluster, desk, seconds=seconds).run())
    print(report.text())
    injected = {"seconds": seconds, **report.injected}
    proof.note("soak", injected=injected, counted=report.as_dict())
    proof.write()
    return 0 if report.is_flat else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
