"""A mutant as its patch file has it: what it breaks, which tests must fail, and the diff."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
SUFFIX = ".patch"
# What a mutant may need, by the word in its `Needs:` line.
POSTGRESQL = "postgresql"
NGINX = "nginx"
NEEDS = frozenset({POSTGRESQL, NGINX})

_BREAKS = re.compile(r"^Breaks (?P<promise>[^:]+): (?P<how>.+)$")
_FIELD = re.compile(r"^(?P<name>Tests|Needs): (?P<value>.+)$")
_FILE_HEADER = ("diff ", "--- ")


class BadPatch(Exception):
    """A patch file that does not say what it has to; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One patch that breaks one promise of docs/protocol.md."""

    name: str
    path: Path
    promise: str
    how: str
    tests: tuple[str, ...]
    needs: frozenset[str]

    @property
    def test_names(self) -> str:
        """The tests that must fail, without their files."""
        return ", ".join(test.rpartition("::")[2] for test in self.tests)


def read_mutants(folder: Path = FOLDER) -> list[Mutant]:
    """Every mutant of `folder` by name; raises BadPatch."""
    return [read_mutant(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]


def read_mutant(path: Path) -> Mutant:
    """The mutant of one file; raises BadPatch when its header lacks something."""
    header = _header(path.read_text(encoding="utf-8").splitlines())
    found = _BREAKS.match(header[0]) if header else None
    if found is None:
        raise _bad(path, "begins with `Breaks PROMISE: what happens instead`")
    fields: dict[str, list[str]] = {}
    for line in header[1:]:
        field = _FIELD.match(line)
        if field is None:
            raise _bad(path, f"has only `Tests:` and `Needs:` below its first line, not {line!r}")
        fields.setdefault(field["name"], []).extend(field["value"].split())
    tests = tuple(fields.get("Tests", ()))
    if not tests or not all("::" in test for test in tests):
        raise _bad(path, "has a line `Tests: path::test …` naming the tests that must fail")
    needs = frozenset(fields.get("Needs", ()))
    if not needs <= NEEDS:
        raise _bad(path, f"may need {', '.join(sorted(NEEDS))}, not {', '.join(needs - NEEDS)}")
    return Mutant(path.stem, path, found["promise"], found["how"], tests, needs)


def _header(lines: Iterable[str]) -> list[str]:
    """The lines above the diff; one that is indented goes on with the line above it."""
    header: list[str] = []
    for line in lines:
        if line.startswith(_FILE_HEADER):
            break
        if line.startswith(" ") and header:
            header[-1] += f" {line.strip()}"
        elif line.strip():
            header.append(line)
    return header


def _bad(path: Path, what_it_does: str) -> BadPatch:
    return BadPatch(f"{path.name}: a mutant's header {what_it_does}. docs/mutants.md shows one.")
