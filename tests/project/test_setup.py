"""`scripts/setup` prepares once, is quick the second time, and says in one line what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHELL_TOOLS = ("sh", "cat", "cksum", "env")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of its own: the script, and requirements that need no network."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "setup", tmp_path / "scripts" / "setup")
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    (tmp_path / "requirements-dev.txt").write_text("-r requirements.txt\n")
    return tmp_path


def run_setup(
    folder: Path, *requirements: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "PYTHON": sys.executable} | variables
    return subprocess.run(
        ["scripts/setup", ".venv", *(requirements or ("requirements.txt",))],
        cwd=folder,
        env={name: value for name, value in environ.items() if value},
        capture_output=True,
        text=True,
        check=False,
    )


def only_these_pythons(folder: Path, **bodies: str) -> str:
    """A PATH with the shell's tools and the Pythons given, each a shell script."""
    tools = folder / "bin"
    tools.mkdir()
    for name in SHELL_TOOLS:
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    for name, body in bodies.items():
        script = tools / name.replace("_", ".")
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
    return str(tools)


def test_second_time_does_nothing_until_requirements_change(folder: Path) -> None:
    first = run_setup(folder)
    assert first.returncode == 0, first.stderr
    assert "Making .venv" in first.stdout
    assert run_setup(folder).stdout == ""
    (folder / "requirements.txt").write_text("# nothing, in other words\n")
    assert run_setup(folder).stdout == "Installing requirements.txt into .venv (once) …\n"


def test_environment_for_tests_is_enough_for_the_demo(folder: Path) -> None:
    assert run_setup(folder, "requirements-dev.txt").returncode == 0
    assert run_setup(folder, "requirements.txt", "requirements-dev.txt").stdout == ""


def test_moved_folder_builds_its_environment_anew(folder: Path) -> None:
    assert run_setup(folder).returncode == 0
    moved = folder.parent / f"{folder.name}-moved"
    shutil.copytree(folder, moved, symlinks=True)
    assert "Making .venv" in run_setup(moved).stdout


def one_line(run: subprocess.CompletedProcess[str]) -> str:
    assert run.returncode == 1
    (line,) = run.stderr.strip().splitlines()
    return line


def test_old_python_is_named_with_what_is_needed(folder: Path) -> None:
    path = only_these_pythons(
        folder, python3='case "$1" in --version) echo Python 3.9.2;; *) echo 9;; esac'
    )
    line = one_line(run_setup(folder, PATH=path, PYTHON=""))
    assert line.startswith("make: found Python 3.9.2; this needs Python 3.11 or newer.")


def test_missing_python_is_said(folder: Path) -> None:
    line = one_line(run_setup(folder, PATH=only_these_pythons(folder), PYTHON=""))
    assert line.startswith("make: found no Python 3; this needs Python 3.11 or newer.")


def test_shim_that_does_not_run_is_passed_over(folder: Path) -> None:
    path = only_these_pythons(
        folder, python3="exit 127", python3_12=f'exec "{sys.executable}" "$@"'
    )
    run = run_setup(folder, PATH=path, PYTHON="")
    if sys.version_info[:2] <= (3, 13):
        assert run.returncode == 0, run.stderr
    assert "Making .venv" in run.stdout


def test_missing_venv_module_is_named_with_its_package(folder: Path) -> None:
    path = only_these_pythons(
        folder, python3='case "$2" in *ensurepip*) exit 1;; *) echo 11;; esac'
    )
    line = one_line(run_setup(folder, PATH=path, PYTHON=""))
    assert line == (
        "make: python3 lacks its venv module. On Debian or Ubuntu: apt-get install python3-venv"
    )


def test_named_python_that_is_none_is_said(folder: Path) -> None:
    line = one_line(run_setup(folder, PYTHON="/no/such/python"))
    assert line.startswith("make: PYTHON=/no/such/python is not a Python 3.11 or newer.")


def test_missing_network_is_guessed_and_nothing_counts_as_installed(folder: Path) -> None:
    (folder / "requirements.txt").write_text("no-such-package==1.0\n")
    # A closed port of this machine, so that no index is asked.
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}
    for _ in range(2):
        run = run_setup(folder, **nowhere)
        assert run.returncode == 1
        assert (
            run.stderr.strip()
            .splitlines()[-1]
            .startswith("make: pip could not install requirements.txt: is the network there?")
        )
