"""REQUIRE_ALL=1 makes every kind of skip a failure, so that CI cannot pass by leaving tests out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

KINDS_OF_SKIP = {
    "by_mark": "@pytest.mark.skip(reason='because')\ndef test_it(): pass",
    "by_condition": "@pytest.mark.skipif(True, reason='because')\ndef test_it(): pass",
    "inside_the_test": "def test_it(): pytest.skip('because')",
    "in_a_fixture": (
        "@pytest.fixture\ndef thing(): pytest.skip('because')\ndef test_it(thing): pass"
    ),
    "of_the_module": "pytest.skip('because', allow_module_level=True)",
    "by_a_missing_package": "pytest.importorskip('no_such_package', reason='because')",
}


def run_pytest(folder: Path, body: str, require_all: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (folder / "test_one.py").write_text(
        f"import pytest\n\n{body}\n\ndef test_another(): pass\n", encoding="utf-8"
    )
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), str(folder)),
        ],
        cwd=ROOT,
        env={**os.environ, "REQUIRE_ALL": require_all},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", KINDS_OF_SKIP)
def test_skip_fails_when_everything_is_required(kind: str, tmp_path: Path) -> None:
    run = run_pytest(tmp_path, KINDS_OF_SKIP[kind], require_all="1")
    assert run.returncode not in (0, 5), run.stdout
    assert "REQUIRE_ALL=1, so this may not be skipped: " in run.stdout
    assert "because" in run.stdout


def test_skip_stays_a_skip_otherwise(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, KINDS_OF_SKIP["inside_the_test"], require_all="")
    assert run.returncode == 0, run.stdout
    assert "1 skipped" in run.stdout
