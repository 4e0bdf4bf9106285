import ipaddress

import pytest

from podwire.kernel.elements import Change, Element, transactions

TABLE = "inet t"


def numbered(*numbers: int) -> list[Element]:
    return [Element("m", (number,), (number,)) for number in numbers]


def additions(*elements: Element) -> list[Change]:
    return [((), (element,)) for element in elements]


def removals(*elements: Element) -> list[Change]:
    return [((element,), ()) for element in elements]


def replacements(*numbers: int) -> list[Change]:
    return [((Element("m", (number,), (0,)),), (Element("m", (number,), (1,)),)) for number in numbers]


def test_a_small_batch_is_one_transaction_with_its_deletions_first() -> None:
    (text,) = transactions(TABLE, [*additions(*numbered(3)), *replacements(2), *removals(*numbered(1))])
    assert text.splitlines() == [
        "delete element inet t m { 2, 1 }",
        "add element inet t m { 3 : 3, 2 : 1 }",
    ]


def test_nothing_to_do_is_no_transaction() -> None:
    assert list(transactions(TABLE, [])) == []
    same = tuple(numbered(1))
    assert list(transactions(TABLE, [(same, same)])) == []


def test_a_large_batch_is_split_in_its_order() -> None:
    changes = [*additions(*numbered(*range(11))), *removals(*numbered(*range(20, 25)))]
    texts = list(transactions(TABLE, changes, limit=10))
    assert [text.split()[0] for text in texts] == ["add", "delete"]
    assert sum(text.count(" : ") for text in texts) == 11


def test_what_belongs_together_is_never_split() -> None:
    texts = list(transactions(TABLE, replacements(*range(8)), limit=5))
    assert len(texts) == 4
    assert all(text.startswith("delete") and "add element" in text for text in texts)


def test_a_change_that_is_too_large_deletes_before_it_adds() -> None:
    texts = list(transactions(TABLE, [(numbered(*range(4)), numbered(*range(10, 14)))], limit=3))
    assert [text.split()[0] for text in texts] == ["delete", "delete", "add", "add"]


def test_an_address_with_a_zone_is_refused() -> None:
    element = Element("m", (ipaddress.ip_address("fe80::1%x }; flush ruleset"),))
    with pytest.raises(ValueError, match="zone"):
        list(transactions(TABLE, additions(element)))


def test_a_transaction_has_one_command_for_each_collection() -> None:
    pairs = [((), (Element("m", (number,), (number,)), Element("s", (number,)))) for number in (1, 2)]
    (text,) = transactions(TABLE, pairs)
    assert text.splitlines() == ["add element inet t m { 1 : 1, 2 : 2 }", "add element inet t s { 1, 2 }"]
