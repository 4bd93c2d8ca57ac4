"""Copies of the working tree: the files that git knows or would add, as they are now."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


class NoWorkingTree(Exception):
    """The project is in no git repository, so nobody knows which files belong to it."""


class PatchRefused(Exception):
    """A patch no longer applies: the code that it changes has changed."""


def copy_working_tree(root: Path, target: Path) -> None:
    """Copy what git tracks in `root`, and what it would add, with uncommitted changes."""
    for name in _list_files(root):
        source = root / name
        # A tracked file may be deleted and that not be committed.
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def apply_patch(patch: Path, folder: Path) -> None:
    """Change the files in `folder` as `patch` says; raises PatchRefused and changes none."""
    # Were a repository found around the folder, git would leave out what is not in its index.
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.resolve().parent)}
    run = subprocess.run(
        ["git", "apply", "--whitespace=nowarn", str(patch.resolve())],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise PatchRefused(run.stderr.strip())


def _list_files(root: Path) -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoWorkingTree(
            f"{root} has to be a git clone with git installed: a copy is made of what git lists."
        ) from error
    return sorted({name for name in run.stdout.split("\0") if name})
