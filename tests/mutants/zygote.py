"""A program: imports what no mutant changes, once, and forks a process for each run of pytest.

It knows nothing of the project, which each fork finds in its own folder. Standard input brings a
run as one line of JSON: its folder, arguments, variables and output file. Standard output says the
fork's process id, then that it has ended.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

QUIETLY = ("-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function")


class NotFresh(Exception):
    """Something that a mutant may change was imported before the mutant was made."""


def main() -> int:
    """Serve runs until the input ends; in a fork, the exit status of its pytest."""
    if modules := sys.argv[1:]:
        _preload(modules)
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            return _run(**json.loads(line))
        _make_group(pid)
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("ended", flush=True)
    return 0


def _preload(modules: Sequence[str]) -> None:
    # pytest rewrites the assertions of its plugins, so it has to import these itself: in a run
    # that finds no tests.
    with tempfile.TemporaryDirectory() as nothing, open(os.devnull, "w") as unread:
        standard_output, sys.stdout = sys.stdout, unread
        try:
            pytest.main([*QUIETLY, "--rootdir", nothing, nothing])
        finally:
            sys.stdout = standard_output
    for module in modules:
        importlib.import_module(module)
    if threading.active_count() > 1:
        raise NotFresh(f"a fork would lack these threads: {threading.enumerate()}")
    # A fork looks for garbage in what is its own, and leaves the shared pages shared.
    gc.freeze()


def _run(
    *, folder: str, arguments: Sequence[str], variables: Mapping[str, str], output: str
) -> int:
    _make_group(os.getpid())
    _redirect(output)
    os.chdir(folder)
    os.environ.update(variables)
    # It was looked up with the parent's variables.
    tempfile.tempdir = None
    _check_freshness(Path(folder))
    # What `python -m pytest` has.
    sys.path.insert(0, folder)
    sys.argv = ["pytest", *arguments]
    return int(pytest.main(list(arguments)))


def _make_group(pid: int) -> None:
    # Both sides say it: whichever comes first, nobody can kill a group that is not there yet.
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpgid(pid, pid)


def _redirect(output: str) -> None:
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, output, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        (2, output, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, descriptor)
        os.close(opened)


def _check_freshness(folder: Path) -> None:
    """Raise NotFresh unless every module of the folder is still to be imported."""
    names = {entry.stem for entry in folder.iterdir() if entry.is_dir() or entry.suffix == ".py"}
    if known := sorted(names & sys.modules.keys()):
        raise NotFresh(f"imported before the fork, so that it is not broken here: {known}")


if __name__ == "__main__":
    sys.exit(main())
