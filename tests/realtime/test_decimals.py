"""Decimals on the wire: fixed notation, 2 to 8 or 0 to 8 decimals, never an exponent."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.decimals import MoneyField, QuantityField, to_fixed

FIXED = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]{1,8})?")

amounts = st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "money", "quantity"),
    [
        ("45000", "45000.00", "45000"),
        ("0.1", "0.10", "0.1"),
        ("50.25000000", "50.25", "50.25"),
        ("1E+3", "1000.00", "1000"),
        ("1E-8", "0.00000001", "0.00000001"),
        ("0E-8", "0.00", "0"),
        ("0E+5", "0.00", "0"),
        ("-0", "0.00", "0"),
        ("-0.00", "0.00", "0"),
        ("-0.000000001", "0.00", "0"),
        ("-0.1", "-0.10", "-0.1"),
        ("0.123456785", "0.12345678", "0.12345678"),
        ("1.999999999", "2.00", "2"),
        ("120", "120.00", "120"),
    ],
)
def test_known_amounts(value: str, money: str, quantity: str) -> None:
    assert MoneyField().to_representation(Decimal(value)) == money
    assert QuantityField().to_representation(Decimal(value)) == quantity


@given(value=amounts, minimum_places=st.sampled_from([0, 2]))
def test_notation_is_fixed_and_within_its_decimals(value: Decimal, minimum_places: int) -> None:
    text = to_fixed(value, minimum_places=minimum_places)
    assert FIXED.fullmatch(text)
    decimals = len(text.partition(".")[2])
    assert minimum_places <= decimals <= 8
    if decimals > minimum_places:
        assert not text.endswith("0")
    assert abs(Decimal(text) - value) <= Decimal("0.000000005")


@given(value=amounts.map(lambda value: value.quantize(Decimal("1E-8"))))
def test_what_a_column_holds_comes_back_exactly(value: Decimal) -> None:
    assert Decimal(to_fixed(value, minimum_places=2)) == value


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_what_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        to_fixed(Decimal(value), minimum_places=2)


def test_unknown_stays_unknown() -> None:
    assert MoneyField().to_representation(None) is None


@pytest.mark.parametrize("value", [7, 0.1, "0.10"])
def test_other_numbers_are_written_alike(value: object) -> None:
    assert MoneyField().to_representation(value) == f"{Decimal(str(value)):.2f}"


def test_input_is_read_as_a_decimal() -> None:
    assert MoneyField().run_validation("45000.5") == Decimal("45000.5")
