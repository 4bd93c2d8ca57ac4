"""Schemas of data, read off serializers: kinds, what may be null, what nobody knows."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from realtime.data_schemas import FIXED_DECIMAL, serializer_schema
from realtime.decimals import MoneyField
from realtime.feeds import feeds
from tests.realtime.json_schemas import check
from trading.models import Position


class Example(serializers.ModelSerializer[Position]):
    fees = MoneyField()
    spot_exit_price = MoneyField()
    leg = MoneyField(source="spot_leg")
    shown = serializers.SerializerMethodField()
    secret = serializers.CharField(write_only=True)

    class Meta:
        model = Position
        fields = (
            "position_id",
            "status",
            "simulated",
            "fees",
            "spot_exit_price",
            "leg",
            "shown",
            "opened_at",
            "secret",
        )

    def get_shown(self, row: Position) -> str:
        return str(row)


def properties() -> dict[str, Any]:
    return dict(serializer_schema(Example, Position)["properties"])


def test_each_kind_of_field_is_known() -> None:
    found = properties()
    assert found["position_id"] == {"type": "string", "format": "uuid"}
    assert found["status"] == {"type": "string", "enum": ["open", "closing", "closed"]}
    assert found["simulated"] == {"type": "boolean"}
    assert found["fees"] == FIXED_DECIMAL
    assert found["opened_at"] == {"type": "string", "format": "date-time"}


def test_a_column_that_may_be_null_may_be_so_in_the_data() -> None:
    assert properties()["spot_exit_price"]["type"] == ["string", "null"]


def test_what_is_no_column_may_be_null() -> None:
    assert properties()["leg"]["type"] == ["string", "null"]


def test_of_a_field_that_is_not_known_nothing_is_said() -> None:
    assert properties()["shown"] == {}


def test_what_is_only_written_is_not_in_the_data() -> None:
    assert "secret" not in properties()


def test_the_schema_of_a_feed_without_a_serializer_is_its_own() -> None:
    schema = feeds()["system_log"].data_schema
    assert schema is not None
    line = {"level": "INFO", "module": "m", "message": "Hello.", "timestamp": "2024-01-15T10:30Z"}
    check(line, schema, {})
