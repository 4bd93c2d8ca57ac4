"""Which installed programs the tests of this folder need, and folders that PostgreSQL can reach."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from project.cluster.programs import find_programs
from project.parts import RunError
from tests.e2e.support.databases import IS_POSTGRESQL


def _why_not() -> str:
    try:
        find_programs()
    except RunError as error:
        return str(error)
    return ""


NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="needs nginx: apt-get install nginx-light")
needs_programs = pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "everything is there")


# They start whole clusters, or install everything anew: minutes, where `make test` has seconds.
only_with_services = pytest.mark.skipif(
    not IS_POSTGRESQL, reason="make test-services runs it: set DATABASE_URL and REDIS_URL"
)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A short-lived folder into which other accounts may pass, which pytest's are not."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
