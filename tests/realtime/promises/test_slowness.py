"""A slow client costs what it may and no longer than it is there, whatever server it came by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from realtime import relay
from realtime.auth.grants import Grants
from realtime.outlets import AsgiOutlet
from tests.realtime.fakes import FakeOutlet, logged
from tests.realtime.promises.stage import Stage

HEAD = 7


@pytest.fixture
async def stage(own_feeds: None, monkeypatch: pytest.MonkeyPatch, db: None) -> AsyncIterator[Stage]:
    """A hub that stands at 7."""
    everything = Grants("operator", "user:1", None, {"price": (), "notice": ()})
    made = Stage(everything, monkeypatch)
    made.load(head=HEAD)
    yield made
    await made.stop()
    relay.stop()


async def test_what_waits_for_a_client_goes_with_it(stage: Stage) -> None:
    outlet = FakeOutlet()
    client = await stage.connect(outlet)
    outlet.block()
    stage.deliver(logged(HEAD + 1))
    (member,) = stage.hub._members
    assert member.delivery.waiting_bytes > 0
    await client.leave()
    assert member.delivery.waiting_bytes == 0
    assert not member.delivery._pending


async def test_client_that_does_not_take_its_close_is_given_up() -> None:
    async def take_nothing(message: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(None) as patience:
        outlet = AsgiOutlet(take_nothing, patience=patience)
        assert patience.when() is None
        outlet.close(1013, "too_slow")
        assert patience.when() is not None
        await outlet.stop()
