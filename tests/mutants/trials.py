"""One mutant's trial: a copy is broken, and the tests named in the patch have to fail there."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.mutants.copies import PatchRefused, apply_patch
from tests.mutants.forks import Zygotes
from tests.mutants.patches import Mutant
from tests.mutants.runs import Outcome, Run, run_tests

TIMEOUT_SECONDS = 60.0
BASELINE_TIMEOUT_SECONDS = 300.0


class Verdict(StrEnum):
    """How a trial ended; only `killed` is what it should be."""

    KILLED = "killed"
    SURVIVED = "survived"
    BROKEN = "broken"
    STALE = "stale"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one mutant; `remedy` says what to do unless it was killed."""

    mutant: Mutant
    verdict: Verdict
    seconds: float = 0.0
    remedy: str = ""
    output: str = ""


async def try_mutant(
    zygotes: Zygotes,
    mutant: Mutant,
    base: Path,
    folder: Path,
    *,
    variables: Mapping[str, str],
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Trial:
    """Break a copy of `base` in `folder` and run the mutant's tests there."""
    started = time.monotonic()
    await asyncio.to_thread(shutil.copytree, base, folder)
    try:
        await asyncio.to_thread(apply_patch, mutant.path, folder)
        run = await run_tests(
            zygotes, folder, mutant.tests, variables=variables, timeout_seconds=timeout_seconds
        )
    except PatchRefused as refused:
        return Trial(mutant, Verdict.STALE, remedy=_stale_remedy(mutant), output=str(refused))
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    verdict, remedy = judge(mutant, run)
    seconds = time.monotonic() - started
    output = "" if verdict is Verdict.KILLED else run.last_lines
    return Trial(mutant, verdict, seconds, remedy, output)


def judge(mutant: Mutant, run: Run) -> tuple[Verdict, str]:
    """The verdict over a mutant whose tests ran, and what to do about it."""
    if run.is_out_of_time:
        return Verdict.BROKEN, "Its tests did not end in time: give their waiting a deadline."
    outcomes = {test: run.of(test) for test in mutant.tests}
    survived = [test for test, found in outcomes.items() if found and found <= {Outcome.PASSED}]
    if survived:
        return Verdict.SURVIVED, (
            f"It breaks {mutant.promise}, and nobody noticed: {', '.join(survived)} passed. "
            "Make the test fail with it, or name one that does."
        )
    not_failed = [test for test, found in outcomes.items() if Outcome.FAILED not in found]
    if not_failed:
        return Verdict.BROKEN, (
            f"No test failed of itself in {', '.join(not_failed)}: an error in importing, "
            "collecting or a fixture proves nothing. Let the patch break behaviour alone."
        )
    return Verdict.KILLED, ""


def find_unproven(tests: Sequence[str], run: Run) -> list[str]:
    """Those of `tests` that did not pass where nothing was broken: they could prove nothing."""
    fine = frozenset({Outcome.PASSED, Outcome.SKIPPED})
    return [test for test in tests if not (Outcome.PASSED in run.of(test) and run.of(test) <= fine)]


def _stale_remedy(mutant: Mutant) -> str:
    return (
        f"tests/mutants/{mutant.path.name} no longer applies, because the code that it breaks has "
        "changed. Break the same promise in the new code and keep the header: docs/mutants.md."
    )
