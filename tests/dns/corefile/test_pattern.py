"""Patterns match as Python's `re` does where both know the syntax, and in bounded time where `re` does not."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.dns.corefile.pattern import MOST_TRANSITIONS, Pattern
from podwire.dns.corefile.pattern_syntax import PatternError
from tests.thoroughness import examples

ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", r"\d", "-", r"\.", r"\b", "[a-c0-9]", "^", "$"])
COUNTS = st.sampled_from(["", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{1,}?"])


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sequences = st.lists(inner, min_size=1, max_size=3).map("".join)
    groups = st.builds(lambda begin, text: f"{begin}{text})", st.sampled_from(["(", "(?:"]), sequences)
    choices = st.builds(lambda one, other: f"(?:{one}|{other})", sequences, sequences)
    # What is repeated takes a character: of repetitions of nothing engines keep different groups.
    repeated = st.builds(lambda text, count: f"(?:{text}a){count}", sequences, COUNTS)
    return st.one_of(sequences, groups, choices, repeated)


SINGLE = st.builds(lambda atom, count: atom if atom in {"^", "$", r"\b"} else atom + count, ATOMS, COUNTS)
PATTERNS = st.recursive(SINGLE, combined, max_leaves=8)
TEXTS = st.text("ab-.1c", max_size=12)


@settings(max_examples=examples(400), deadline=None)
@given(PATTERNS, TEXTS)
def test_it_finds_what_python_finds(text: str, name: str) -> None:
    expected, found = re.search(text, name), Pattern(text).search(name)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        count = expected.re.groups
        assert [found.group(number) for number in range(count + 1)] == [
            expected[number] or "" for number in range(count + 1)
        ]


@pytest.mark.parametrize(
    ("text", "name", "groups"),
    [
        (r"^ip-(?P<a>\d+)-(\d+)[.]example[.]$", "ip-10-2.example.", ["ip-10-2.example.", "10", "2"]),
        (r"(?i)WWW\.(?<rest>.*)", "www.Example.", ["www.Example.", "Example."]),
        (r"(?i:w)W", "wW", ["wW"]),
        (r"[[:alpha:]]+[[:^alpha:]]", "ab1", ["ab1"]),
        (r"\Aa|b\z", "cb", ["b"]),
        (r"(?U)a+", "aaa", ["a"]),
        (r"\x61\x{62}", "xab", ["ab"]),
        (r"a{,2}", "a{,2}", ["a{,2}"]),
        (r"[]a-]+", "b]-a", ["]-a"]),
        (r"(a)|(b)", "b", ["b", "", "b"]),
    ],
)
def test_the_syntax_is_that_of_re2(text: str, name: str, groups: list[str]) -> None:
    found = Pattern(text).search(name)
    assert found is not None
    assert [found.group(number) for number in range(len(groups))] == groups
    assert found.group(len(groups)) == found.group("none") == ""


def test_a_group_has_a_name() -> None:
    found = Pattern("(?P<first>a+)(b)").search("xaab")
    assert found is not None
    assert (found.group("first"), found.group(2)) == ("aa", "b")


@pytest.mark.parametrize(
    "text", [r"^(a+)+$", r"^(a|a)*$", r"^(a*)*$", r"^(.*a){20}$", r"(a?){30}a{30}$", r"^(\w+\s?)*$"]
)
def test_time_is_bounded_where_python_takes_for_ever(text: str) -> None:
    assert Pattern(text).search("a" * 254 + "!") is None


def test_states_that_are_kept_are_bounded() -> None:
    one = Pattern("(a|b).{12}x")
    for number in range(1 << 13):
        one.matches(f"{number:013b}".replace("0", "a").replace("1", "b"))
    assert 0 < len(one._kept) <= MOST_TRANSITIONS


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("(a", "is not closed"),
        ("a)", "is not open"),
        ("[a", "ends within"),
        ("[z-a]", "must rise"),
        ("*a", "nothing before"),
        ("a**", "repeated"),
        (r"(a)\1", "without backreferences"),
        ("(?=a)", "without look-around"),
        ("(?P<a b>x)", "must have a name"),
        ("a{1001}", "at most 1000"),
        ("a{3,2}", "must rise"),
        ("(a{100}){100}", "too large"),
        ("(?:" * 20 + "){1000}" * 20, "too large"),
        ("(" * 60 + ")" * 60, "nested"),
        ("[[:name:]]", "is no class"),
        ("\\", "ends within"),
        (r"\x{", "missing"),
        (r"\xzz", "is no character"),
    ],
)
def test_what_is_no_pattern_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(PatternError, match=problem):
        Pattern(text)


@given(st.text("()[]{}|*+?\\^$.,-:<>P1aAbBimsUxQ0", max_size=20), TEXTS)
def test_no_text_is_more_than_a_pattern_or_an_error(text: str, name: str) -> None:
    try:
        one = Pattern(text)
    except PatternError:
        return
    assert one.matches(name) == (one.search(name) is not None)
