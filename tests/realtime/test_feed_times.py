"""A row's data does not depend on the time zone of whoever writes it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from rest_framework import serializers

from realtime.feeds import ModelFeed
from trading.models import Position

ROW = Position(updated_at=datetime(2024, 1, 15, 10, 30, tzinfo=UTC))


class TimesSerializer(serializers.Serializer[Position]):
    updated_at = serializers.DateTimeField()
    many = serializers.ListField(child=serializers.DateTimeField(), source="times")
    local = serializers.DateTimeField(source="updated_at", default_timezone=ZoneInfo("Asia/Tokyo"))


class TimesFeed(ModelFeed):
    name = "times"
    model = Position
    serializer_class = TimesSerializer


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_times_are_written_in_utc_unless_the_field_says_otherwise(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ROW, "times", [ROW.updated_at], raising=False)
    with timezone.override(ZoneInfo(zone)):
        assert TimesFeed().data(ROW) == {
            "updated_at": "2024-01-15T10:30:00Z",
            "many": ["2024-01-15T10:30:00Z"],
            "local": "2024-01-15T19:30:00+09:00",
        }
