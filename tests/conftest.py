"""For all tests: their database, a quiet relay, and REQUIRE_ALL, which makes a skip a failure."""

from __future__ import annotations

import os
from collections.abc import Generator

import hypothesis
import pytest
from django.conf import settings

# Files that take half a minute and more. They begin: one at the end would leave a processor idle.
LONG_FILES = frozenset(
    {
        *("test_replay.py", "test_stream_machine.py", "test_setup.py", "test_kills.py"),
        *("test_forks.py", "test_slow_crowds.py", "test_every_write_path.py", "test_masking.py"),
        *("test_image.py", "test_run_cluster.py", "test_demo.py", "test_schemathesis.py"),
        *("test_restore.py", "test_access.py", "test_fuzz.py"),
    }
)
REQUIRE_ALL = os.environ.get("REQUIRE_ALL") == "1"

hypothesis.settings.register_profile(
    # A shared machine is slow at times; what a test promises is not its speed.
    "project",
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("project")


def pytest_configure(config: pytest.Config) -> None:
    """Set what differs in the tests' own process; servers that tests start have the real values."""
    from realtime.conf import reload_conf

    # Tests say themselves when the relay runs: `realtime.testing.flush()`.
    settings.REALTIME_RELAY = False
    # What the tests' own process logs is no business of its database.
    settings.REALTIME_LOG_HANDLER = False
    # Tests ask more often than a program does; those of the limits set them.
    settings.REALTIME_REST_PER_SECOND = settings.REALTIME_REST_ANONYMOUS_PER_MINUTE = 0
    settings.RISK_WATCH_SECONDS = 0
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    reload_conf()


@pytest.fixture(autouse=True)
def _nobody_has_failed() -> Generator[None]:
    """Forget the failed logins of the tests before."""
    from realtime.auth.guessing import forget_all

    forget_all()
    yield
    forget_all()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give each run a database of its own, so that two runs on one machine do not meet."""
    test = settings.DATABASES["default"].setdefault("TEST", {})
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        # Whether a commit survives a power cut is nothing that these tests could find out.
        options = settings.DATABASES["default"]["OPTIONS"]
        options["init_command"] = options["init_command"].replace("=FULL", "=OFF")
        test["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
    else:
        test["NAME"] = f"test_{settings.DATABASES['default']['NAME']}_{os.getpid()}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the long files begin, in the order that they have by chance."""
    items.sort(key=lambda item: item.path.name not in LONG_FILES)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count a skipped test as failed when REQUIRE_ALL=1."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        _fail_instead(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Count a module that skips itself as failed when REQUIRE_ALL=1."""
    report = yield
    if REQUIRE_ALL and report.skipped:
        _fail_instead(report)
    return report


def _fail_instead(report: pytest.TestReport | pytest.CollectReport) -> None:
    report.outcome = "failed"
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.longrepr = f"REQUIRE_ALL=1, so this may not be skipped: {reason}"
