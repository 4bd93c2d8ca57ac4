"""What `make run-cluster` stands on: its programs, its folder, and what an earlier run left."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from project.cluster import folder, programs
from project.cluster.folder import Folder, make_folder
from project.cluster.leftovers import end_leftovers, remember
from project.parts import Part, RunError

DEADLINE_SECONDS = 30


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield started
    started.kill()
    started.wait()


@pytest.fixture(autouse=True)
def _paths_may_be_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the tests are, and no socket is made there."""
    monkeypatch.setattr(folder, "LONGEST_SOCKET_FOLDER", 4096)


def test_missing_programs_are_named_with_their_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "FURTHER_FOLDERS", ())
    monkeypatch.setattr(programs, "POSTGRESQL_FOLDERS", tmp_path)
    with pytest.raises(RunError) as error:
        programs.find_programs()
    assert str(error.value) == (
        "postgres, initdb, redis-server, nginx not found. "
        "On Debian or Ubuntu: apt-get install postgresql redis-server nginx-light"
    )


def test_newest_postgresql_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "FURTHER_FOLDERS", ())
    monkeypatch.setattr(programs, "POSTGRESQL_FOLDERS", tmp_path)
    for version, names in {"9": ["postgres"], "15": [*programs.PACKAGES]}.items():
        place = tmp_path / version / "bin"
        place.mkdir(parents=True)
        for name in names:
            (place / name).touch(mode=0o755)
    assert programs.find_programs().postgres == str(tmp_path / "15" / "bin" / "postgres")


def test_folder_that_is_named_is_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid)
    monkeypatch.setattr(folder, "_account", lambda: None)
    monkeypatch.setenv(folder.VARIABLE, str(tmp_path / "a"))
    made = make_folder()
    assert made == Folder(tmp_path / "a", None)
    assert [path.stat().st_mode & 0o777 for path in (made.path, made.database)] == [0o700, 0o700]


def test_link_that_somebody_put_there_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv(folder.VARIABLE, str(tmp_path / "link"))
    with pytest.raises(RunError, match="CLUSTER_FOLDER=/path make run-cluster"):
        make_folder()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_path_that_is_too_long_for_a_socket_is_left_for_the_temp_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(folder.VARIABLE, raising=False)
    monkeypatch.setattr(folder, "_account", lambda: None)
    monkeypatch.setattr(folder, "LONGEST_SOCKET_FOLDER", len(str(tmp_path)) + 10)
    monkeypatch.setattr(folder, "BESIDE_THE_PROJECT", tmp_path / ("x" * 100))
    monkeypatch.setattr(folder, "_in_the_temp_folder", lambda: tmp_path / "t")
    assert make_folder().path == tmp_path / "t"


def test_what_was_left_is_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    note = tmp_path / "processes"
    remember([Part("sleeper", sleeper)], note)
    end_leftovers(note)
    assert sleeper.wait(DEADLINE_SECONDS) != 0
    assert not note.exists()
    end_leftovers(note)


def test_program_that_has_the_number_by_now_is_left_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    note = tmp_path / "processes"
    note.write_text(f"{sleeper.pid} 1\n4194305 1\n{sleeper.pid} ", encoding="ascii")
    end_leftovers(note)
    assert sleeper.poll() is None
