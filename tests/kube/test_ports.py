from __future__ import annotations

import pytest

from podwire.kube.ports import read_port


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("0080", 80), ("65535", 65535)])
def test_plain_digits_are_a_port(text: str, number: int) -> None:
    assert read_port(text) == number


@pytest.mark.parametrize("text", ["", "0", "65536", "-1", "+80", " 80", "http", "²", "\u0668\u0660", "8" * 5000])
def test_anything_else_is_none(text: str) -> None:
    assert read_port(text) == 0
