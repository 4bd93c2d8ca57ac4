"""What the documents tell a reader to type exists."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

from django.core.management.base import BaseCommand

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "commands.md"
OWN_APPS = ("realtime", "trading")
NAMED_BY_THE_README_AND_CI = {
    *("setup", "demo", "run", "run-cluster", "test", "test-services", "test-faults"),
    *("soak", "lint", "bench", "mutants"),
}


def own_commands() -> set[str]:
    from django.core.management import get_commands

    return {name for name, app in get_commands().items() if app in OWN_APPS}


def load_command(name: str) -> BaseCommand:
    from django.core.management import get_commands, load_command_class

    return load_command_class(str(get_commands()[name]), name)


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
    roots = [ROOT / name for name in ("README.md", "CHANGELOG.md", "deploy/README.md")]
    for page in [*roots, *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text(encoding="utf-8")
        for command in re.findall(r"(?:^|`|\d )make ([a-z-]+)", text, re.MULTILINE):
            assert command in commands, f"{page.name} names make {command}"


def test_management_commands_in_the_documents_exist() -> None:
    from django.core.management import get_commands

    pages = [ROOT / "README.md", ROOT / "examples/notes/README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        named = re.findall(r"manage\.py ([a-z_]+)", page.read_text(encoding="utf-8"))
        assert set(named) <= {*get_commands(), "help"}, page.name


def test_every_command_has_its_part_of_the_page() -> None:
    parts = re.findall(r"^### (\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(parts) == sorted(own_commands())


def test_examples_of_commands_take_the_options_that_they_name() -> None:
    examples = re.findall(
        r"^\.venv/bin/python manage\.py (.+)$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    assert {shlex.split(example)[0] for example in examples} == own_commands()
    for example in examples:
        name, *arguments = shlex.split(example)
        parser = load_command(name).create_parser("manage.py", name)
        # Raises CommandError for an option that does not exist.
        parser.parse_args(arguments)
