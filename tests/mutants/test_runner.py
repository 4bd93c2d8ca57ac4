"""The runner of mutants, on a little project of its own; and the headers of the real ones."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.mutants.__main__ import ROOT, main
from tests.mutants.patches import SUFFIX, BadPatch, Mutant, read_mutant, read_mutants
from tests.mutants.runs import Outcome, Run
from tests.mutants.trials import Verdict, find_unproven, judge

CODE = "def price():\n    return 7\n"
TESTS = """\
import pytest
from shop import price

def test_price():
    assert price() == 7

@pytest.mark.parametrize("times", [1, 2])
def test_positive(times):
    assert price() * times > 0

@pytest.fixture
def dear():
    assert price() == 7

def test_with_a_fixture(dear):
    pass
"""
# The little project needs none of the plugins that this one has, and starts faster without.
PLUGINS = ("django", "asyncio", "hypothesispytest", "anyio", "randomly")
CONFIGURATION = f"[pytest]\naddopts = {' '.join(f'-p no:{name}' for name in PLUGINS)}\n"
HEADER = "Breaks promise 1: the price is wrong.\nTests: {tests}\n"
DIFF = """
--- a/shop.py
+++ b/shop.py
@@ -1,2 +1,2 @@
 def price():
-    return 7
+    {line}
"""

Plant = Callable[..., Path]
Try = Callable[..., int]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git repository with a module and its tests; the mutants lie beside it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "shop.py").write_text(CODE)
    (folder / "test_shop.py").write_text(TESTS)
    (folder / "pytest.ini").write_text(CONFIGURATION)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Writes a mutant."""
    folder = tmp_path / "mutants"
    folder.mkdir()

    def write(name: str, line: str, *tests: str, diff: str = DIFF) -> Path:
        named = " ".join(f"test_shop.py::{test}" for test in tests)
        path = folder / f"{name}{SUFFIX}"
        path.write_text(HEADER.format(tests=named) + diff.format(line=line))
        return path

    return write


@pytest.fixture
def try_mutants(tmp_path: Path, project: Path) -> Try:
    """Runs the command on the little project."""

    def run(*names: str, timeout_seconds: float = 60.0, preloaded: Sequence[str] = ()) -> int:
        folder = tmp_path / "mutants"
        return main(
            names,
            root=project,
            folder=folder,
            timeout_seconds=timeout_seconds,
            preloaded=preloaded,
        )

    return run


def test_mutant_that_its_tests_notice_is_killed(
    plant: Plant, try_mutants: Try, capsys: pytest.CaptureFixture[str]
) -> None:
    plant("free", "return 0", "test_price", "test_positive")
    assert try_mutants() == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"free +promise 1 +test_price, test_positive +\d+\.\d", lines[1])
    assert lines[-1] == "1 passed, 0 failed"


def test_mutant_that_one_of_its_tests_overlooks_survives(
    plant: Plant, try_mutants: Try, capsys: pytest.CaptureFixture[str]
) -> None:
    plant("dear", "return 8", "test_price", "test_positive")
    plant("free", "return 0", "test_price")
    assert try_mutants() == 1
    printed = capsys.readouterr().out
    assert "SURVIVED dear: It breaks promise 1, and nobody noticed: test_shop.py" in printed
    assert printed.endswith("\n1 passed, 1 failed\n")


@pytest.mark.parametrize(
    ("line", "test"),
    [
        ("return 7 7", "test_price"),
        ("raise ImportError\nprice()", "test_price"),
        ("return 8", "test_with_a_fixture"),
    ],
    ids=["collecting", "importing", "fixture"],
)
def test_error_before_a_test_kills_nothing(
    plant: Plant, try_mutants: Try, capsys: pytest.CaptureFixture[str], line: str, test: str
) -> None:
    added = "\n+".join(line.split("\n"))
    count = 2 + line.count("\n")
    plant("broken", added, test, diff=DIFF.replace("+1,2", f"+1,{count}"))
    assert try_mutants() == 1
    printed = capsys.readouterr().out
    assert "BROKEN broken: No test failed of itself" in printed
    assert printed.endswith("\n0 passed, 1 failed\n")


def test_patch_that_no_longer_applies_is_said_with_its_remedy(
    plant: Plant, project: Path, try_mutants: Try, capsys: pytest.CaptureFixture[str]
) -> None:
    plant("free", "return 0", "test_price")
    (project / "shop.py").write_text("def price():\n    return 3 + 4\n")
    assert try_mutants() == 1
    printed = capsys.readouterr().out
    assert "STALE free: tests/mutants/free.patch no longer applies" in printed
    assert "patch does not apply" in printed
    assert printed.endswith("\n0 passed, 1 failed\n")


def test_mutant_whose_tests_hang_is_not_killed(
    plant: Plant, try_mutants: Try, capsys: pytest.CaptureFixture[str]
) -> None:
    plant("slow", "import time; time.sleep(60)", "test_price")
    assert try_mutants(timeout_seconds=3.0) == 1
    assert "did not end in time" in capsys.readouterr().out


def test_nothing_that_a_mutant_may_change_is_imported_before_it(
    plant: Plant, project: Path, try_mutants: Try, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "colorsys.py").write_text("")
    plant("free", "return 0", "test_price")
    assert try_mutants(preloaded=["colorsys"]) == 1
    printed = capsys.readouterr().err
    assert "imported before the fork, so that it is not broken here: ['colorsys']" in printed


def test_test_that_fails_on_the_unchanged_tree_proves_nothing(
    plant: Plant, project: Path, try_mutants: Try, capsys: pytest.CaptureFixture[str]
) -> None:
    plant("free", "return 0", "test_price", "test_missing")
    assert try_mutants() == 1
    assert "these tests do not pass on the unchanged tree" in capsys.readouterr().err


def test_uncommitted_changes_are_tried_and_the_tree_is_left_alone(
    plant: Plant, project: Path, try_mutants: Try
) -> None:
    subprocess.run(["git", "add", "."], cwd=project, check=True)
    commit = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", "t"]
    subprocess.run(commit, cwd=project, check=True)
    (project / "shop.py").write_text(CODE.replace("7", "9"))
    (project / "test_shop.py").write_text(TESTS.replace("7", "9"))
    plant("free", "return 0", "test_price", diff=DIFF.replace("7", "9"))
    before = sorted(path.name for path in project.iterdir())
    assert try_mutants() == 0
    assert (project / "shop.py").read_text() == CODE.replace("7", "9")
    assert sorted(path.name for path in project.iterdir()) == before


def test_only_the_named_mutants_are_tried(
    plant: Plant, try_mutants: Try, capsys: pytest.CaptureFixture[str]
) -> None:
    plant("free", "return 0", "test_price")
    plant("dear", "return 8", "test_positive")
    assert try_mutants("free") == 0
    assert try_mutants("fee") == 1
    assert "there is no mutant 'fee'; did you mean free?" in capsys.readouterr().err


def test_folder_that_is_no_clone_is_said(
    plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant("free", "return 0", "test_price")
    assert main([], root=tmp_path / "mutants", folder=tmp_path / "mutants") == 1
    assert "has to be a git clone" in capsys.readouterr().err


def test_mutant_without_its_service_is_skipped_unless_all_are_required(
    plant: Plant,
    try_mutants: Try,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = plant("free", "return 0", "test_price")
    path.write_text(path.read_text().replace("Tests:", "Needs: postgresql\nTests:"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REQUIRE_ALL", raising=False)
    assert try_mutants() == 0
    assert capsys.readouterr().out.endswith("\n0 passed, 0 failed, 1 skipped\n")
    monkeypatch.setenv("REQUIRE_ALL", "1")
    assert try_mutants() == 1
    assert capsys.readouterr().out.endswith("\n0 passed, 1 failed\n")


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "begins with"),
        ("Breaks promise 1 somehow\nTests: a::b\n", "begins with"),
        ("Breaks promise 1: how\n", "has a line `Tests:"),
        ("Breaks promise 1: how\nTests: tests/\n", "has a line `Tests:"),
        ("Breaks promise 1: how\nTests: a::b\nNote: c\n", "has only `Tests:` and `Needs:`"),
        ("Breaks promise 1: how\nTests: a::b\nNeeds: mongodb\n", "may need nginx, postgresql"),
    ],
)
def test_header_that_lacks_something_is_refused(tmp_path: Path, text: str, remedy: str) -> None:
    path = tmp_path / f"bad{SUFFIX}"
    path.write_text(text + DIFF)
    with pytest.raises(BadPatch, match=f"bad.patch.*{remedy}"):
        read_mutant(path)


def test_lines_of_a_header_may_go_on_below(tmp_path: Path) -> None:
    path = tmp_path / f"long{SUFFIX}"
    path.write_text("Breaks promise 2: how\n  it goes\nTests: a::b\n  c::d\n" + DIFF)
    mutant = read_mutant(path)
    assert (mutant.promise, mutant.how) == ("promise 2", "how it goes")
    assert mutant.tests == ("a::b", "c::d")


def test_one_failing_case_of_a_parametrised_test_kills() -> None:
    outcomes = {
        "t.py::a[1]": frozenset({Outcome.PASSED}),
        "t.py::a[2]": frozenset({Outcome.FAILED}),
    }
    mutant = Mutant("m", Path("m"), "promise 1", "", ("t.py::a",), frozenset())
    assert judge(mutant, Run(outcomes, ""))[0] is Verdict.KILLED


def test_test_that_is_skipped_proves_nothing() -> None:
    run = Run({"t.py::a": frozenset({Outcome.SKIPPED})}, "")
    assert find_unproven(["t.py::a", "t.py::missing"], run) == ["t.py::a", "t.py::missing"]


def test_every_promise_has_a_mutant() -> None:
    promises = {mutant.promise for mutant in read_mutants()}
    assert {f"promise {number}" for number in range(1, 7)} <= promises


def test_each_mutant_breaks_something_that_the_protocol_or_a_page_says() -> None:
    protocol = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    promises = {f"promise {number}" for number in re.findall(r"^(\d+)\. \*\*", protocol, re.M)}
    headings = set(re.findall(r"^## (.+)$", protocol, re.M))
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} | {"deploy"}
    for mutant in read_mutants():
        assert mutant.promise in promises | headings | pages, mutant.name


def test_each_mutant_names_tests_that_are_there() -> None:
    for mutant in read_mutants():
        for test in mutant.tests:
            path, _, name = test.partition("::")
            text = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"def {re.escape(name.partition('[')[0])}\(", text), test
