"""A Dockerfile's steps in a folder of this machine, for where there is no Docker engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.support.processes import ROOT

# Absolute folders of the image; each is one below the test's folder instead.
FOLDERS = re.compile(r"(?<![\w.])/(app|venv)\b")


@dataclass
class Image:
    """What the Dockerfile says, and the folder in which its steps were taken."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "0"
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    stop_signal: str = ""

    @property
    def workdir(self) -> Path:
        return self.folder / "app"

    def here(self, text: str) -> str:
        """A text with the image's folders as those of the test."""
        return FOLDERS.sub(lambda found: f"{self.folder}/{found[1]}", text)


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Each instruction and its text, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word
    ]


def build(dockerfile: Path, folder: Path) -> Image:
    """Take the steps, one stage after the other, and fail where one does."""
    image = Image(folder)
    base_path = f"{_base_python(folder)}:{os.environ['PATH']}"
    image.workdir.mkdir()
    for word, text in instructions(dockerfile):
        match word:
            case "FROM":
                image.environment = {"PATH": base_path, "HOME": os.environ.get("HOME", "/")}
            case "ENV":
                for name, value in re.findall(r"(\w+)=(\S+)", text):
                    path = image.environment["PATH"]
                    image.environment[name] = image.here(value).replace("$PATH", path)
            case "WORKDIR":
                assert image.here(text) == str(image.workdir)
            case "COPY":
                _copy(image, text)
            case "RUN":
                _run(image, text)
            case "USER":
                image.user = text
            case "STOPSIGNAL":
                image.stop_signal = text
            case "CMD":
                image.command = json.loads(text)
            case "HEALTHCHECK":
                image.health = json.loads(text.partition("CMD ")[2])
            case "EXPOSE":
                pass
            case _:
                raise AssertionError(f"a step that this does not know: {word}")
    return image


def _base_python(folder: Path) -> Path:
    """A folder with `python`, as the base image has it: without anything installed."""
    made = folder / "base"
    made.mkdir()
    (made / "python").symlink_to(Path(sys._base_executable).resolve())
    return made


def _copy(image: Image, text: str) -> None:
    if text.startswith("--from="):
        # Both stages are the same folder here.
        return
    source, target = text.split()
    place = Path(image.here(target))
    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(ROOT / source, place)


def _run(image: Image, text: str) -> None:
    # The image keeps no cache of packages; this machine has one, and need not load them anew.
    command = image.here(text).replace("--no-cache-dir ", "")
    run = subprocess.run(
        ["sh", "-ec", command],
        cwd=image.workdir,
        env=image.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"{text}:\n{run.stdout}{run.stderr}"
