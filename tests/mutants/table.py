"""The table of trials: a row as soon as a mutant's fate is known, what to do at the end."""

from __future__ import annotations

from collections.abc import Sequence

from tests.mutants.patches import Mutant
from tests.mutants.trials import Trial, Verdict

HEADINGS = ("mutant", "promise", "killed by", "seconds")


class Table:
    """Rows of fixed widths, which the mutants determine before they are tried."""

    def __init__(self, mutants: Sequence[Mutant]) -> None:
        self._widths = (
            max(len(text) for text in (HEADINGS[0], *(m.name for m in mutants))),
            max(len(text) for text in (HEADINGS[1], *(m.promise for m in mutants))),
            max(len(m.test_names) for m in mutants),
        )

    def heading(self) -> str:
        """The names of the columns."""
        return self._row(*HEADINGS)

    def row(self, trial: Trial) -> str:
        """One mutant's fate."""
        is_killed = trial.verdict is Verdict.KILLED
        fate = trial.mutant.test_names if is_killed else trial.verdict.value.upper()
        return self._row(trial.mutant.name, trial.mutant.promise, fate, f"{trial.seconds:.1f}")

    def _row(self, *cells: str) -> str:
        padded = [text.ljust(width) for text, width in zip(cells, self._widths, strict=False)]
        return "  ".join((*padded, cells[-1].rjust(len(HEADINGS[-1]))))


def explain(trials: Sequence[Trial]) -> str:
    """What went wrong with each mutant that was not killed, and what to do."""
    return "\n".join(_explanation(trial) for trial in trials if trial.remedy)


def _explanation(trial: Trial) -> str:
    verdict = trial.verdict.value.upper()
    return f"\n{verdict} {trial.mutant.name}: {trial.remedy}\n{trial.output}".rstrip()


def closing_line(trials: Sequence[Trial]) -> str:
    """How many mutants were killed, and how many were not."""
    killed = sum(trial.verdict is Verdict.KILLED for trial in trials)
    skipped = sum(trial.verdict is Verdict.SKIPPED for trial in trials)
    line = f"{killed} passed, {len(trials) - killed - skipped} failed"
    return f"{line}, {skipped} skipped" if skipped else line
