"""A bulk write in several statements does what it would do in one."""

from __future__ import annotations

import pytest
from django.db.models import Avg

from realtime import changes
from tests.realtime.events import empty_log, published
from tests.realtime.rows import make_position
from trading.models import Position


@pytest.mark.django_db
def test_filter_of_an_update_means_the_rows_as_they_were_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(changes, "CHUNK_ROWS", 1)
    for leverage in (2, 8, 9, 21):
        make_position(leverage=leverage)
    empty_log()
    mean = Position.objects.order_by().values("account").annotate(mean=Avg("leverage"))
    small = Position.objects.filter(leverage__lt=mean.values("mean")[:1])
    # Those that are written first take the mean below the third.
    assert small.update(leverage=1) == 3
    assert [data["leverage"] for _, _, data in published()] == ["1"] * 3
