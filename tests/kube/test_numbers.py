from __future__ import annotations

import pytest

from podwire.kube.numbers import read_number, read_port


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("0080", 80), ("65535", 65535)])
def test_plain_digits_are_a_port(text: str, number: int) -> None:
    assert read_port(text) == number


@pytest.mark.parametrize("text", ["", "0", "65536", "-1", "+80", " 80", "http", "²", "\u0668\u0660", "8" * 5000])
def test_anything_else_is_none(text: str) -> None:
    assert read_port(text) == 0


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("999", 999)])
def test_few_plain_digits_are_a_number(text: str, number: int) -> None:
    assert read_number(text, 3) == number


@pytest.mark.parametrize("text", ["", "1000", "-1", "1.0", "²", "\u0668"])
def test_other_text_is_no_number(text: str) -> None:
    assert read_number(text, 3) is None
