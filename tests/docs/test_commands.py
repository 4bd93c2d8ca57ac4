"""What the documents tell a reader to type exists."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMED_BY_THE_README_AND_CI = {
    *("setup", "demo", "run", "test", "test-services", "test-faults"),
    *("lint", "bench", "mutants"),
}


def make(*arguments: str) -> str:
    # Not as a part of the `make test` that may have started these tests.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    run = subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    return run.stdout


def listed_commands() -> set[str]:
    return set(re.findall(r"^  make ([a-z-]+) ", make(), re.MULTILINE))


def test_make_alone_lists_every_command_with_a_line_each() -> None:
    assert listed_commands() >= NAMED_BY_THE_README_AND_CI
    assert all(len(line.split()) > 3 for line in make().splitlines())


def test_every_listed_command_can_be_made() -> None:
    for command in listed_commands():
        assert make("--dry-run", command)


def test_make_commands_in_the_documents_exist() -> None:
    commands = listed_commands()
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text(encoding="utf-8")
        for command in re.findall(r"(?:^|`|\d )make ([a-z-]+)", text, re.MULTILINE):
            assert command in commands, f"{page.name} names make {command}"


def test_management_commands_in_the_readme_exist() -> None:
    from django.core.management import get_commands

    named = re.findall(r"manage\.py ([a-z_]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert named
    assert set(named) <= set(get_commands())
