"""The pages' Python and JSON are what they say: run in a site that has nothing but `realtime`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.site import Site

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# As if each block stood in the app: models need to know theirs.
RUN_BLOCKS = """
import json, os, sys, warnings
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
warnings.simplefilter("ignore", RuntimeWarning)  # The page's model is the site's own, again.
django.setup()
for label, code in json.load(sys.stdin):
    print(label, flush=True)
    exec(compile(code, label, "exec"), {"__name__": "notes.models"})
"""


def blocks(page: str, language: str) -> Iterator[tuple[str, str]]:
    """Title (or place) and text of the page's blocks in that language."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(
        rf"^```{language}(?: title=(\S+))?\n(.*?)^```", text, re.DOTALL | re.MULTILINE
    )
    for index, (title, block) in enumerate(found, 1):
        yield title or f"{page}, {language} block {index}", block


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_python_of_the_pages_runs(site: Site) -> None:
    code = [
        block for page in ("publishing.md", "subscriptions.md") for block in blocks(page, "python")
    ]
    assert len(code) > 4
    output = site.python("-c", RUN_BLOCKS, input=json.dumps(code))
    assert output.splitlines() == [label for label, _ in code]


def test_tests_of_the_page_on_testing_pass(site: Site) -> None:
    files = dict(blocks("testing.md", "python"))
    [(_, settings)] = blocks("testing.md", "ini")
    for name, code in {**files, "pytest.ini": settings}.items():
        (site.folder / name).write_text(code, encoding="utf-8")
    tests = len(re.findall(r"^(?:async )? *def test_", "\n".join(files.values()), re.MULTILINE))
    assert tests >= 4
    output = site.python("-m", "pytest", "-q", "-W", "error")
    assert f"{tests} passed" in output


@pytest.mark.parametrize("page", ["subscriptions.md", "protocol.md"])
def test_json_of_a_page_is_json_or_shortened(page: str) -> None:
    for label, block in blocks(page, "json"):
        for line in re.split(r"\n(?=\{)", block.strip()):
            if "…" not in line:
                assert "type" in json.loads(line) or "action" in json.loads(line), label


def test_every_system_check_is_on_the_page_and_no_other() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "realtime").rglob("*.py")
    )
    checks = set(re.findall(r'id="(realtime\.[EW]\d+)"', source))
    assert checks
    page = (DOCS / "publishing.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(realtime\.[EW]\d+)`", page, re.MULTILINE)) == checks


def test_settings_that_the_pages_name_exist() -> None:
    from realtime.conf import RealtimeSettings

    for page in DOCS.glob("*.md"):
        named = set(re.findall(r"REALTIME_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8")))
        assert named <= {*RealtimeSettings.names(), "REALTIME_TOKEN"}, page.name
