"""Values of YAML: as an API server reads them; what is refused, with its line."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from podwire.insight.sources import yaml_values
from podwire.insight.sources.yaml_values import NoValueError


def values(text: str) -> list[Any]:
    return [value for _, _, value in yaml_values.documents(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: '1'", {"a": "1"}),
        ("a: yes", {"a": True}),
        ("a: y", {"a": True}),
        ("a: 'n'", {"a": "n"}),
        ("a: 22:22", {"a": "22:22"}),
        ("a: 0x10", {"a": 16}),
        ("a: 1.5", {"a": 1.5}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: 0o17", {"a": 15}),
        ("a: 1e3x", {"a": "1e3x"}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: 2026-11-30", {"a": "2026-11-30"}),  # a date is a text for an API
        ("1: x", {"1": "x"}),
        ("a: !!str 1", {"a": "1"}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: [1, {b: c}]", {"a": [1, {"b": "c"}]}),
        ("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}", {"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}}),
        ("x: &x [1]\ny: *x", {"x": [1], "y": [1]}),
    ],
)
def test_values_are_those_of_json(text: str, value: object) -> None:
    assert values(text) == [value]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "key 'a' is there twice"),
        ("a: 1\n? [b]\n: 2\n", 2, "a key must be a text"),
        ("a: *b\n", 1, "alias *b has no anchor before it"),
        ("a: {<<: 1}\n", 1, "'<<' needs a mapping"),
        ("[" * 300 + "]" * 300, 1, "more than 200 levels"),
    ],
)
def test_what_is_no_value_of_an_api_has_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(NoValueError) as raised:
        values(text)
    assert raised.value.problem == problem
    assert raised.value.problem_mark is not None
    assert raised.value.problem_mark.line + 1 == line


def test_aliases_that_multiply_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(NoValueError, match="aliases included"):
        values("\n".join(lines))


def test_each_document_has_its_line_and_its_first_character() -> None:
    text = "# ü\n---\na: ü\n---\n---\nb: 1\n"
    found = list(yaml_values.documents(text))
    assert [(line, value) for line, _, value in found if value] == [(2, {"a": "ü"}), (5, {"b": 1})]
    assert [text[start] for _, start, value in found if value] == ["a", "b"]


def test_the_line_of_a_field_is_that_of_its_key_or_of_the_nearest_parent() -> None:
    node = yaml_values.composed(
        "spec:\n  ingress:\n    - from:\n        - podSelector: {}\n      ports: []\n---\nx: 1\n"
    )
    lines = {path: yaml_values.line_of(node, path) + 1 for path in (
        (), ("spec", "ingress"), ("spec", "ingress", 0), ("spec", "ingress", 0, "ports"),
        ("spec", "ingress", 0, "from", 0, "podSelector"), ("spec", "ingress", 7), ("spec", "egress"),
    )}  # fmt: skip
    assert list(lines.values()) == [1, 2, 3, 5, 4, 2, 1]


def test_broken_yaml_is_an_error_of_the_parser() -> None:
    with pytest.raises(yaml.YAMLError):
        values("a: 1\nb: c: d\n")
