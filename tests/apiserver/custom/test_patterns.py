import time

import pytest

from podwire.apiserver.custom import patterns


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^a+$", "aaa", True),
        ("^a+$", "aaa\n", False),
        (r"[$]x\$", "$x$", True),
        (r"^(?i)ab\z", "AB", True),
        (r"^(?i)ab\z", "AC", False),
        (r"^[[:alpha:]]+$", "abc", True),
        (r"^[[:alpha:]]+$", "ab1", False),
        (r"^\p{L}+$", "äöü", True),
        (r"^\p{L}+$", "1", False),
        ("b", "abc", True),
    ],
)
def test_patterns_mean_what_they_mean_in_go(pattern: str, text: str, found: bool) -> None:
    assert patterns.found(pattern, text) is found


def test_no_text_is_slow_to_match() -> None:
    """Python's `re` would need 2^n steps for these."""
    began = time.process_time()
    assert not patterns.found(r"^[!-~]+([\t ]?[!-~]+)*$", "a" * 200 + "\n")
    assert not patterns.found("^(a+)+$", "a" * 100_000 + "b")
    assert time.process_time() - began < 5


@pytest.mark.parametrize("pattern", ["(", "[[:alpha:]", "a{2,1}", r"\p{Nothing}"])
def test_a_broken_pattern_is_reported(pattern: str) -> None:
    assert patterns.problem(pattern)


@pytest.mark.parametrize("pattern", ["^a$", r"[[:alnum:]]{2}", r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?$"])
def test_a_right_pattern_has_no_problem(pattern: str) -> None:
    assert patterns.problem(pattern) == ""
