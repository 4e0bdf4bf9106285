import ipaddress

import pytest

from podwire.kernel.elements import ELEMENTS_A_TRANSACTION, Element, transactions

TABLE = "inet t"


def numbered(*numbers: int) -> list[Element]:
    return [Element("m", (number,), (number,)) for number in numbers]


def test_a_small_batch_is_one_transaction() -> None:
    (text,) = transactions(TABLE, numbered(1), [Element("m", (2,), (9,))], numbered(2))
    assert text.splitlines() == [
        "delete element inet t m { 2 }",
        "add element inet t m { 2 : 9 }",
        "delete element inet t m { 1 }",
    ]


def test_nothing_to_do_is_no_transaction() -> None:
    assert list(transactions(TABLE, [], [])) == []


def test_a_large_batch_is_split_additions_first() -> None:
    size = ELEMENTS_A_TRANSACTION
    texts = list(transactions(TABLE, numbered(*range(size)), numbered(*range(size, 2 * size + 1))))
    assert [text.split()[0] for text in texts] == ["add", "add", "delete"]


def test_replacements_are_half_as_many() -> None:
    size = ELEMENTS_A_TRANSACTION
    texts = list(transactions(TABLE, [], numbered(*range(size)), numbered(*range(size))))
    assert len(texts) == 2
    assert all(text.startswith("delete") and "add element" in text for text in texts)


def test_an_address_with_a_zone_is_refused() -> None:
    element = Element("m", (ipaddress.ip_address("fe80::1%x }; flush ruleset"),))
    with pytest.raises(ValueError, match="zone"):
        list(transactions(TABLE, [], [element]))
