"""A loop that is held up is late, and that is seen for a minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from realtime import loop_lag
from realtime.loop_lag import LoopLag

HELD_SECONDS = 0.1


@pytest.fixture
async def lag(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LoopLag]:
    monkeypatch.setattr(loop_lag, "SAMPLE_SECONDS", 0.001)
    made = LoopLag()
    made.start()
    await asyncio.sleep(0)
    yield made
    await made.stop()
    await made.stop()


async def test_present_delay_counts_before_it_is_over(lag: LoopLag) -> None:
    time.sleep(HELD_SECONDS)
    assert lag.seconds >= HELD_SECONDS / 2


async def test_longest_delay_is_remembered(lag: LoopLag) -> None:
    time.sleep(HELD_SECONDS)
    late = lag._late
    async with asyncio.timeout(10):
        while max(late) < HELD_SECONDS / 2:
            await asyncio.sleep(0.001)
    held = lag.seconds
    await asyncio.sleep(0.01)
    assert lag.seconds >= held >= HELD_SECONDS / 2


def test_delay_is_forgotten_after_a_minute() -> None:
    assert loop_lag.SAMPLES * loop_lag.SAMPLE_SECONDS == 60
