"""One run of pytest in a copy, and what became of each test."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from xml.etree import ElementTree

from tests.mutants.forks import Zygotes

OPTIONS = ("-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--tb=short")
SHOWN_LINES = 15
# What a developer's shell or CI sets must not decide whether a mutant lives.
OUR_VARIABLES = (
    "ALLOWED_HOSTS",
    "DATABASE_URL",
    "DEBUG",
    "DJANGO_",
    "FAILPOINT",
    "HTTPS",
    "LOG_LEVEL",
    "PYTEST_",
    "PYTHONPATH",
    "REALTIME_",
    "REDIS_URL",
    "REQUIRE_ALL",
    "RISK_",
    "SECRET_KEY",
    "STATEFUL_EXAMPLES",
)


class Outcome(StrEnum):
    """What became of one test; a test that never ran has none."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Run:
    """What pytest reported: each test's outcomes, of several when it is parametrised."""

    outcomes: Mapping[str, frozenset[Outcome]]
    output: str
    is_out_of_time: bool = False

    def of(self, test: str) -> frozenset[Outcome]:
        """The outcomes of `path::test`, or of one case of it."""
        found = [outcomes for name, outcomes in self.outcomes.items() if _is_case(name, test)]
        return frozenset().union(*found)

    @property
    def last_lines(self) -> str:
        """The end of what pytest printed."""
        return "\n".join(self.output.strip().splitlines()[-SHOWN_LINES:])


async def run_tests(
    zygotes: Zygotes,
    folder: Path,
    tests: Sequence[str],
    *,
    variables: Mapping[str, str],
    timeout_seconds: float,
) -> Run:
    """Run `tests` in `folder`; whatever they started is killed at the timeout."""
    scratch = folder / ".scratch"
    scratch.mkdir()
    report = scratch / "report.xml"
    output = scratch / "output"
    has_ended = await zygotes.run_pytest(
        folder,
        [
            *OPTIONS,
            f"--junitxml={report}",
            # The only form of the report that names the files.
            "--override-ini=junit_family=xunit1",
            *tests,
        ],
        variables={"TMPDIR": str(scratch), **variables},
        output=output,
        timeout_seconds=timeout_seconds,
    )
    outcomes = _read_report(report) if has_ended and report.exists() else {}
    text = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    return Run(outcomes, text, is_out_of_time=not has_ended)


def clean_environment() -> dict[str, str]:
    """The variables of every run: this process's own without what decides tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OUR_VARIABLES)}
    # A compiled module is known by its second and its size: a mutant may have both unchanged.
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"}


def _read_report(report: Path) -> dict[str, frozenset[Outcome]]:
    outcomes: dict[str, set[Outcome]] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = f"{case.get('file')}::{case.get('name')}"
        outcomes.setdefault(name, set()).add(_outcome(case))
    return {name: frozenset(found) for name, found in outcomes.items()}


def _outcome(case: ElementTree.Element) -> Outcome:
    # A failure is the test's own; an error is one of collecting, of a fixture, or of an import.
    if case.find("failure") is not None:
        return Outcome.FAILED
    if case.find("error") is not None:
        return Outcome.ERROR
    return Outcome.PASSED if case.find("skipped") is None else Outcome.SKIPPED


def _is_case(name: str, test: str) -> bool:
    return name == test or name.startswith(f"{test}[")
