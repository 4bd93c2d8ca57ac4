"""drf-spectacular finds our document valid, and its page has no script in itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client

from project.openapi.document import openapi_document


def test_the_document_is_valid_openapi_without_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "schema.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    text = file.read_text(encoding="utf-8")
    for path in openapi_document()["paths"]:
        assert path in text


@pytest.fixture
def page(client: Client) -> str:
    answer = client.get("/api/docs/")
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (200, "text/html")
    return answer.content.decode()


def test_the_page_has_no_script_or_style_of_its_own_and_none_from_elsewhere(page: str) -> None:
    assert not re.search(r"<style|\bstyle=|\bon\w+=", page)
    assert "//" not in page.partition("<html")[2]
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
    assert scripts
    for attributes, body in scripts:
        assert not body.strip()
        assert re.search(r'src="/', attributes), attributes
    for path in re.findall(r'(?:src|href)="/static/([^"]+)"', page):
        assert finders.find(path), path


def test_the_pages_script_asks_for_our_document(client: Client, page: str) -> None:
    answer = client.get("/api/docs/?script=")
    assert answer["Content-Type"].startswith("application/javascript")
    assert "/schema/" in answer.content.decode()
