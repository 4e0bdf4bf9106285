"""The expressions that a proxy compares with say what the patterns mean."""

from __future__ import annotations

import re

import pytest

from podwire.mesh.authorization import expressions, pattern
from podwire.mesh.authorization.pattern import Mode
from tests.mesh.authorization.random_policies import PATH_PATTERNS, VALUES, Dice

PARTS = ("a", "A", "b", ";", "x", ".jpg", "")


def random_path(dice: Dice) -> str:
    return "/" + "".join(dice.one(("/", *PARTS)) for _ in range(dice.one((1, 3, 6)))).replace("//", "/")


@pytest.mark.parametrize("mode", list(Mode))
def test_an_expression_of_paths_matches_what_the_pattern_matches(mode: Mode) -> None:
    dice, seen = Dice(1), set()
    for _ in range(4000):
        found = (pattern.read_path(dice.one(PATH_PATTERNS)),)
        path = random_path(dice).replace("//", "/")
        expected = pattern.path_matches(found, path, mode)
        assert bool(re.fullmatch(expressions.paths(found, mode), path)) == expected, (str(found[0]), path)
        seen.add(expected)
    assert seen == {True, False}


@pytest.mark.parametrize("mode", list(Mode))
def test_an_expression_of_a_header_matches_what_the_pattern_matches(mode: Mode) -> None:
    dice = Dice(2)
    for _ in range(2000):
        found = dice.patterns(("admin", "admin*", "*admin", "user", "*"), 1.0)
        values = [value.strip() for value in dice.role_lines()]
        joined = ",".join(values)
        expected = bool(values) and pattern.elements_match(found, values, mode)
        assert bool(values and re.fullmatch(expressions.header(found, mode), joined)) == expected, (found, values)
    assert VALUES


@pytest.mark.parametrize(
    ("text", "path", "mode", "matches"),
    [
        ("/admin", "/ADMIN", Mode.POSSIBLE, True),
        ("/admin", "/ADMIN", Mode.CERTAIN, False),
        ("/admin", "/admin;x=1", Mode.POSSIBLE, True),
        ("/admin", "/admin;x=1", Mode.CERTAIN, False),
        ("/admin/*", "/admin;v=2/users", Mode.POSSIBLE, True),
        ("/admin/*", "/admin", Mode.POSSIBLE, False),
        ("/{*}/orders", "/ann/orders", Mode.CERTAIN, True),
        ("/{*}/orders", "/ann/bob/orders", Mode.CERTAIN, False),
        ("/{**}/orders", "/ann/bob/orders", Mode.CERTAIN, True),
        ("*.jpg", "/a/b.jpg", Mode.CERTAIN, True),
    ],
)
def test_a_rule_that_denies_reads_a_path_as_a_lenient_server_does(
    text: str, path: str, mode: Mode, *, matches: bool
) -> None:
    assert pattern.path_matches((pattern.read_path(text),), path, mode) is matches


@pytest.mark.parametrize("text", ["", "a*b", "**", "*a*"])
def test_a_text_has_one_star_at_an_end(text: str) -> None:
    with pytest.raises(ValueError, match=r"\*"):
        pattern.read(text)


@pytest.mark.parametrize("text", ["/a/../b", "/a//b", "/a?b", "/a;b", "a", "/{x}", "/a{*}", "/{**}/{**}", "/a\\b"])
def test_a_path_that_no_request_has_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        pattern.read_path(text)
