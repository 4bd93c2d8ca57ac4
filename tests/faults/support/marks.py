"""What every fault test needs, and how often it runs."""

from __future__ import annotations

import pytest

from tests.e2e.support import redis
from tests.faults.support import postgresql

CLUSTER = [
    pytest.mark.cluster,
    pytest.mark.usefixtures("nth_round"),
    pytest.mark.skipif(
        not (redis.IS_INSTALLED and postgresql.IS_INSTALLED),
        reason="needs the programs of PostgreSQL and Redis",
    ),
]
