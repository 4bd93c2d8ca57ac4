"""The page for operators: what it tells to type is accepted."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

from tests.docs.test_commands import load_command

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_blocks_are_shell() -> None:
    assert len(BLOCKS) > 8
    for block in BLOCKS:
        subprocess.run(["sh", "-n"], input=block, text=True, check=True)


def test_management_commands_take_the_options_that_they_are_given() -> None:
    found = re.findall(r"(?:^\.venv/bin/python |`)manage\.py ([^`\n#]+)", PAGE, re.MULTILINE)
    assert {shlex.split(each)[0] for each in found} >= {"migrate", "check", "new_stream"}
    for each in found:
        name, *arguments = shlex.split(each)
        # Raises CommandError for an option that does not exist.
        load_command(name).create_parser("manage.py", name).parse_args(arguments)


def test_each_alert_has_its_part_and_no_other_is_named() -> None:
    rules = ROOT / "deploy" / "prometheus" / "alerts.yaml"
    alerts = re.findall(r"^\s*- alert: (\w+)$", rules.read_text(encoding="utf-8"), re.MULTILINE)
    assert alerts
    assert sorted(re.findall(r"^### (Realtime\w+)$", PAGE, re.MULTILINE)) == sorted(alerts)
