from decimal import Decimal

import pytest

from podwire.kube import quantities


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("0.5Gi", "512Mi"),
        ("1.5Ki", "1536"),
        ("512Ki", "512Ki"),
        ("0.5Ki", "512"),
        ("1000", "1k"),
        ("2e3", "2e3"),
        ("1e0", "1"),
        ("-2500m", "-2500m"),
        ("3E", "3E"),
        ("0", "0"),
        ("0.1n", "1n"),
        (2, "2"),
        (1.5, "1500m"),
    ],
)
def test_a_quantity_is_printed_as_go_prints_it(text: str | float, expected: str) -> None:
    assert quantities.canonical(text) == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", "1"), ("500m", "0.5"), ("1Gi", "1073741824"), ("1.5k", "1500"), ("2e3", "2000"), ("-1u", "-0.000001")],
)
def test_a_quantity_is_a_number(text: str, number: str) -> None:
    assert quantities.parse(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "x", "1gi", "1.2.3", "1Kib", "Mi", "1 Gi", "--1", "1e", "ten"])
def test_other_texts_are_no_quantities(text: str) -> None:
    assert quantities.parse(text) is None


@pytest.mark.parametrize("exponent", ["999999999", "9" * 5000, "+99", "19"])
def test_a_quantity_out_of_reach_is_capped(exponent: str) -> None:
    assert quantities.parse(f"1e{exponent}") == quantities.LARGEST
    assert quantities.parse(f"-1e{exponent}") == -quantities.LARGEST
    assert quantities.parse(f"0e{exponent}") == 0
    assert quantities.canonical(f"1e-{exponent.removeprefix('+')}") in {"1n", "1e-9"}


def test_units_are_compared_by_value() -> None:
    assert quantities.number("1Gi") > quantities.number("1G") > quantities.number("999M")
    assert quantities.number("2") == Decimal(2)
    assert quantities.number(0.5) == quantities.number("500m")
