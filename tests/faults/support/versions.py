"""The next version of the project: a copy with one more column, that its feed publishes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.e2e.support.processes import ROOT

PARTS = ("project", "realtime", "tests", "trading")
# Nullable or with a default of the database's own: the version before knows nothing of it.
COLUMN = 'models.CharField("note", max_length=64, blank=True, db_default="")'
MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("trading", "{newest}")]
    operations = [migrations.AddField("position", "note", {column})]
"""


def make_next_version(folder: Path) -> Path:
    """Copy the project into `folder` and change it; returns the folder."""
    ignored = shutil.ignore_patterns("__pycache__")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    shutil.copy(ROOT / "manage.py", folder)
    trading = folder / "trading"
    change(trading / "models/positions.py", r"(?=    close_reason = )", f"    note = {COLUMN}\n")
    change(trading / "serializers.py", r'(?=            "close_reason",)', '            "note",\n')
    change(trading / "feeds.py", r"(?<=    model = Position\n    version = )", "9")
    migrations = trading / "migrations"
    newest = max(path.stem for path in migrations.glob("0*.py"))
    added = MIGRATION.format(newest=newest, column=COLUMN)
    (migrations / "9999_position_note.py").write_text(added, encoding="utf-8")
    return folder


def change(path: Path, place: str, added: str) -> None:
    """Put `added` in at the one `place`, a pattern."""
    text, times = re.subn(place, added, path.read_text(encoding="utf-8"), count=1)
    assert times, f"{path} has changed: {place}"
    path.write_text(text, encoding="utf-8")
