"""`make run-cluster`: everything that production has, on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import sys

from project.cluster.cluster import COMMAND, Cluster
from project.cluster.folder import make_folder
from project.cluster.leftovers import end_leftovers
from project.cluster.programs import find_programs
from project.demo_account import HOST, way_in
from project.parts import RunError, Stopped, StopRequest, watch
from project.ports import check_port_is_free, port_from


def main() -> int:
    """Run until Ctrl-C, SIGTERM or the end of a part; returns the exit code."""
    stop_request = StopRequest()
    stop_request.listen()
    try:
        port = port_from(os.environ.get("PORT", ""), command=COMMAND)
        programs = find_programs()
        folder = make_folder()
        with folder.lock():
            end_leftovers(folder.processes)
            check_port_is_free(HOST, port, command=COMMAND)
            with Cluster(programs, folder, stop_request).running(port) as cluster:
                print(way_in(port, cluster.token, *cluster.whereabouts()), flush=True)
                watch(cluster.parts, stop_request)
    except RunError as error:
        print(f"run-cluster: {error}", file=sys.stderr)
        return 1
    except Stopped:
        print("run-cluster: stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
