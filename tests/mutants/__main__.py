"""`python -m tests.mutants [NAME …]`: breaks each promise in a copy, two copies at a time."""

from __future__ import annotations

import argparse
import asyncio
import difflib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.deploy.support import NGINX as NGINX_PROGRAM
from tests.mutants.copies import NoWorkingTree, copy_working_tree
from tests.mutants.forks import PRELOADED, ZygoteEnded, Zygotes, start_zygotes
from tests.mutants.patches import FOLDER, NGINX, POSTGRESQL, BadPatch, Mutant, read_mutants
from tests.mutants.runs import clean_environment, run_tests
from tests.mutants.table import Table, closing_line, explain
from tests.mutants.trials import (
    BASELINE_TIMEOUT_SECONDS,
    TIMEOUT_SECONDS,
    Trial,
    Verdict,
    find_unproven,
    try_mutant,
)

ROOT = FOLDER.parent.parent
AT_A_TIME = 2
POSTGRESQL_SCHEMES = ("postgres://", "postgresql://")


class Unproven(Exception):
    """Tests do not pass on the unchanged tree."""


def main(
    arguments: Sequence[str] | None = None,
    *,
    root: Path = ROOT,
    folder: Path = FOLDER,
    timeout_seconds: float = TIMEOUT_SECONDS,
    preloaded: Sequence[str] = PRELOADED,
) -> int:
    """Try the mutants named, or all; the exit status is 0 when every one was killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a mutant; all without one")
    options = parser.parse_args(arguments)
    try:
        mutants = _choose(read_mutants(folder), options.names)
        with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
            trials = asyncio.run(_try_all(mutants, root, Path(scratch), timeout_seconds, preloaded))
    except (BadPatch, NoWorkingTree, Unproven, ZygoteEnded) as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if explanation := explain(trials):
        print(explanation)
    print(f"\n{closing_line(trials)}")
    return int(any(_is_failure(trial) for trial in trials))


def _choose(mutants: Sequence[Mutant], names: Sequence[str]) -> list[Mutant]:
    by_name = {mutant.name: mutant for mutant in mutants}
    for name in names:
        if name not in by_name:
            nearest = difflib.get_close_matches(name, by_name, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"there are: {', '.join(by_name)}"
            raise BadPatch(f"there is no mutant {name!r}; {hint}")
    chosen = [by_name[name] for name in dict.fromkeys(names)] if names else list(mutants)
    if not chosen:
        raise BadPatch("there are no mutants here")
    return chosen


async def _try_all(
    mutants: Sequence[Mutant],
    root: Path,
    scratch: Path,
    timeout_seconds: float,
    preloaded: Sequence[str],
) -> list[Trial]:
    base = scratch / "unchanged"
    copy_working_tree(root, base)
    missing = _missing_needs()
    skipped = [mutant for mutant in mutants if mutant.needs & missing]
    tried = [mutant for mutant in mutants if mutant not in skipped]
    trials = [
        Trial(mutant, _skipped_verdict(), remedy=REMEDIES[min(mutant.needs & missing)])
        for mutant in skipped
    ]
    table = Table(mutants)
    turns = asyncio.Semaphore(AT_A_TIME)

    async def take_turn(mutant: Mutant) -> Trial:
        async with turns:
            trial = await try_mutant(
                zygotes,
                mutant,
                base,
                scratch / mutant.name,
                variables=_variables(mutant.needs),
                timeout_seconds=timeout_seconds,
            )
        print(table.row(trial), flush=True)
        return trial

    count = min(AT_A_TIME, len(tried))
    async with start_zygotes(count, preloaded, clean_environment()) as zygotes:
        await _check_baseline(zygotes, tried, base, scratch)
        print(table.heading())
        for trial in trials:
            print(table.row(trial))
        return [*trials, *await asyncio.gather(*map(take_turn, tried))]


async def _check_baseline(
    zygotes: Zygotes, mutants: Sequence[Mutant], base: Path, scratch: Path
) -> None:
    """Run every named test where nothing is broken; raises Unproven."""
    for needs in {mutant.needs for mutant in mutants}:
        named = [test for mutant in mutants if mutant.needs == needs for test in mutant.tests]
        tests = list(dict.fromkeys(named))
        copy = scratch / f"unchanged-{'-'.join(sorted(needs)) or 'embedded'}"
        await asyncio.to_thread(shutil.copytree, base, copy)
        run = await run_tests(
            zygotes,
            copy,
            tests,
            variables=_variables(needs),
            timeout_seconds=BASELINE_TIMEOUT_SECONDS,
        )
        if unproven := find_unproven(tests, run):
            raise Unproven(
                "these tests do not pass on the unchanged tree, so their failing proves nothing: "
                f"{', '.join(unproven)}\n{run.last_lines}"
            )


REMEDIES = {
    POSTGRESQL: (
        "It needs PostgreSQL: DATABASE_URL=postgres://USER:PASSWORD@HOST:PORT/NAME make mutants. "
        "All others run on SQLite, whatever DATABASE_URL says."
    ),
    NGINX: "It needs nginx: apt-get install nginx-light",
}


def _missing_needs() -> frozenset[str]:
    """What this machine lacks of it."""
    there = {POSTGRESQL: bool(_service_url()), NGINX: NGINX_PROGRAM is not None}
    return frozenset(need for need, is_there in there.items() if not is_there)


def _variables(needs: frozenset[str]) -> Mapping[str, str]:
    return {"DATABASE_URL": _service_url()} if POSTGRESQL in needs else {}


def _service_url() -> str:
    url = os.environ.get("DATABASE_URL", "")
    return url if url.startswith(POSTGRESQL_SCHEMES) else ""


def _skipped_verdict() -> Verdict:
    return Verdict.BROKEN if os.environ.get("REQUIRE_ALL") == "1" else Verdict.SKIPPED


def _is_failure(trial: Trial) -> bool:
    return trial.verdict not in {Verdict.KILLED, Verdict.SKIPPED}


if __name__ == "__main__":
    sys.exit(main())
