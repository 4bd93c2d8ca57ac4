"""Every link between documents leads to a file and a heading that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for folder in ("", "deploy", "docs", "docs/decisions", "docs/proof", "examples/notes")
    for page in (ROOT / folder).glob("*.md")
)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def links(page: Path) -> list[str]:
    return LINK.findall(CODE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_leads_to_every_part_of_the_docs() -> None:
    targets = {link.split("#")[0] for link in links(ROOT / "README.md")}
    assert targets >= {
        "docs/architecture.md",
        "docs/authentication.md",
        "docs/protocol.md",
        "docs/settings.md",
        "docs/publishing.md",
        "docs/subscriptions.md",
        "docs/testing.md",
        "docs/disconnected.md",
        "docs/faults.md",
        "docs/commands.md",
        "docs/operations.md",
        "docs/logging.md",
        "docs/admin.md",
        "deploy/README.md",
        "examples/notes/README.md",
        "docs/decisions/",
        "CHANGELOG.md",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"
