from decimal import Decimal

import pytest

from podwire.apiserver.custom import quantities


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", "1"), ("500m", "0.5"), ("1Gi", "1073741824"), ("1.5k", "1500"), ("2e3", "2000"), ("-1u", "-0.000001")],
)
def test_a_quantity_is_a_number(text: str, number: str) -> None:
    assert quantities.parse(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "1gi", "1e", "--1"])
def test_other_texts_are_none(text: str) -> None:
    assert quantities.parse(text) is None
