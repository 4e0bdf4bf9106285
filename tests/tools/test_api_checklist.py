import pytest
from tools.api_checklist import TARGET, ChecklistError, Claim, claims, current_page, page, parse

LIST = """
[[area]]
title = "Watch"
[area.items]
watch-lines = "one object a line"
watch-bookmarks = "bookmarks"

[[difference]]
area = "protobuf"
what = "never sent"
why = "JSON will do"
"""

MARKED = """
import pytest
pytestmark = [pytest.mark.proves("of-the-module"), pytest.mark.long]

@pytest.mark.proves("of-the-class")
class TestIt:
    @pytest.mark.proves("one", "two")
    async def test_this(self): ...

@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.proves("of-a-case"))])
def test_that(x): ...
"""


def test_the_page_says_what_the_tests_prove() -> None:
    assert TARGET.read_text() == current_page(), "run: python -m tools.api_checklist"


def test_marks_are_found_on_modules_classes_functions_and_cases() -> None:
    found = claims("tests/test_x.py", MARKED)
    assert {(claim.item, claim.line) for claim in found} == {
        ("of-the-module", 3),
        ("of-the-class", 5),
        ("one", 7),
        ("two", 7),
        ("of-a-case", 10),
    }


def test_a_mark_of_nothing_is_named_with_its_place() -> None:
    with pytest.raises(ChecklistError, match=r'tests/test_x.py:7: no item "watch-lanes"'):
        page(parse(LIST), [Claim("watch-lanes", "tests/test_x.py", 7)])


def test_a_mark_must_be_readable_without_running_it() -> None:
    with pytest.raises(ChecklistError, match=r"x\.py:1"):
        list(claims("x.py", "m = pytest.mark.proves(*ITEMS)"))


def test_ids_are_there_once() -> None:
    again = '[[area]]\ntitle = "Other"\n[area.items]\nwatch-lines = "again"\n'
    with pytest.raises(ChecklistError, match="twice: watch-lines"):
        parse(LIST + again)


def test_the_page_ticks_what_is_proven_and_owns_up_to_the_rest() -> None:
    claimed = [Claim("watch-lines", f"tests/api/test_{name}.py", 1) for name in ("a", "b", "a")]
    shown = page(parse(LIST), claimed)
    assert "1 of 2 lines are proven" in shown
    assert "- [x] one object a line — [a](../../tests/api/test_a.py), [b](../../tests/api/test_b.py)\n" in shown
    assert "- [ ] Watch: bookmarks\n" in shown
    assert "| protobuf | never sent | JSON will do |\n" in shown


def test_nothing_is_owned_up_to_when_all_is_proven() -> None:
    claimed = [Claim(name, "tests/test_a.py", 1) for name in ("watch-lines", "watch-bookmarks")]
    assert "- [ ]" not in page(parse(LIST), claimed)
