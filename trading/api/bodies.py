"""Bodies of REST requests: read, checked, and refused with a sentence when a field is unknown.

What a value may be is the services' business; here it is only of the right kind. An amount is
text: a JSON number has passed through a binary float somewhere, and lost digits there.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.settings import api_settings

from trading.models import DEFAULT_ACCOUNT, FillEffect, FillLeg
from trading.services.closing import LONGEST_REASON
from trading.services.fills import LONGEST_FILL_ID
from trading.services.positions import LONGEST_STRATEGY
from trading.services.risk import LONGEST_REASON as LONGEST_RISK_REASON

LONGEST_ACCOUNT = 50
LONGEST_SYMBOL = 31
NO_TEXT = "Write it as text, in quotes."
NO_AMOUNT = 'Write the number as text, such as "45000.5": a JSON number may have lost digits.'
NO_FIXED_NOTATION = 'Write digits and a point, such as "45000.5": at most 12 before it, 8 after it.'
AMOUNT = r"^[0-9]{1,12}(\.[0-9]{1,8})?\Z"
SIGNED_AMOUNT = r"^-?[0-9]{1,12}(\.[0-9]{1,8})?\Z"


class TextField(serializers.CharField):
    """Text, and nothing that would have to be made text first."""

    def to_internal_value(self, data: Any) -> str:
        """The text, without surrounding space."""
        if not isinstance(data, str):
            raise ValidationError(NO_TEXT)
        return super().to_internal_value(data)


class AmountField(serializers.RegexField):
    """An amount in fixed notation, as text; its value is that text, every digit of it."""

    def __init__(self, regex: str = AMOUNT, **options: Any) -> None:
        options["error_messages"] = {"invalid": NO_FIXED_NOTATION}
        # As JSON Schema writes it.
        self.pattern = regex.replace(r"\Z", "$")
        super().__init__(regex, trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        """The text."""
        if not isinstance(data, str):
            raise ValidationError(NO_AMOUNT)
        return super().to_internal_value(data)


class KeyField(serializers.UUIDField):
    """A UUID as text."""

    def to_internal_value(self, data: Any) -> UUID:
        """The UUID."""
        if not isinstance(data, str):
            raise ValidationError(NO_TEXT)
        return super().to_internal_value(data)


class Body(serializers.Serializer[Any]):
    """The fields of one request; anything else in its body is refused."""

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """The checked values of `data`; raises ValidationError naming each bad one."""
        if not isinstance(data, dict):
            raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: ["An object is expected."]})
        body = cls(data=data)
        unknown = [name for name in data if name not in body.fields]
        if unknown:
            message = f"There is no such field; there are: {', '.join(body.fields)}."
            raise ValidationError({name: [message] for name in unknown})
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)


def account_field() -> TextField:
    """The account that is written to."""
    return TextField(default=DEFAULT_ACCOUNT, max_length=LONGEST_ACCOUNT)


class OpenPositionBody(Body):
    """`POST /api/positions/`."""

    account = account_field()
    symbol = TextField(max_length=LONGEST_SYMBOL)
    spot_entry_price = AmountField()
    perp_entry_price = AmountField()
    spot_quantity = AmountField()
    perp_quantity = AmountField()
    leverage = AmountField(required=False)
    fees = AmountField(required=False)
    spot_current_price = AmountField(required=False)
    perp_current_price = AmountField(required=False)
    strategy_id = TextField(required=False, allow_blank=True, max_length=LONGEST_STRATEGY)
    position_id = KeyField(required=False)


class UpdatePositionBody(Body):
    """`PATCH /api/positions/{position_id}/`."""

    spot_current_price = AmountField(required=False)
    perp_current_price = AmountField(required=False)
    leverage = AmountField(required=False)
    fees = AmountField(required=False)
    strategy_id = TextField(required=False, allow_blank=True, max_length=LONGEST_STRATEGY)
    updated_at = serializers.DateTimeField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a change of nothing: it would be published as one."""
        if not attrs.keys() - {"updated_at"}:
            raise ValidationError("Name at least one field to change.")
        return attrs


class ClosePositionBody(Body):
    """`POST /api/positions/{position_id}/close/`."""

    spot_exit_price = AmountField()
    perp_exit_price = AmountField()
    fees = AmountField(required=False)
    reason = TextField(required=False, allow_blank=True, max_length=LONGEST_REASON)


class StartPositionBody(Body):
    """`POST /api/positions/start/`."""

    account = account_field()
    symbol = TextField(max_length=LONGEST_SYMBOL)
    spot_price = AmountField()
    perp_price = AmountField()
    leverage = AmountField(required=False)
    strategy_id = TextField(required=False, allow_blank=True, max_length=LONGEST_STRATEGY)
    position_id = KeyField(required=False)


class FillBody(Body):
    """`POST /api/positions/{position_id}/fills/`."""

    leg = serializers.ChoiceField(choices=FillLeg.values)
    effect = serializers.ChoiceField(choices=FillEffect.values)
    price = AmountField()
    quantity = AmountField()
    fee = AmountField(required=False)
    fill_id = TextField(max_length=LONGEST_FILL_ID)


class ReducePositionBody(Body):
    """`POST /api/positions/{position_id}/reduce/`."""

    spot_quantity = AmountField(required=False)
    perp_quantity = AmountField(required=False)
    spot_exit_price = AmountField(required=False)
    perp_exit_price = AmountField(required=False)
    fees = AmountField(required=False)
    reason = TextField(required=False, allow_blank=True, max_length=LONGEST_REASON)


class EquityBody(Body):
    """`POST /api/equity/`."""

    account = account_field()
    total_equity = AmountField(SIGNED_AMOUNT)


class RiskBody(Body):
    """`POST /api/risk/soft-pause/`, `/hard-stop/`, `/resume/`."""

    account = account_field()
    reason = TextField(max_length=LONGEST_RISK_REASON)
