from typing import Any

import pytest

from podwire.apiserver.custom import rules
from podwire.apiserver.custom.cel_values import escaped
from podwire.apiserver.custom.structural import convert


def rule(text: str, message: str = "", **parts: Any) -> dict[str, Any]:
    return {"rule": text, "message": message, **parts}


def reported(schema: dict[str, Any], value: Any, old: Any = None) -> list[str]:
    return [str(cause) for cause in rules.problems(convert(schema), value, old)]


def spec(*own: dict[str, Any], **properties: Any) -> dict[str, Any]:
    inner = {"type": "object", "x-kubernetes-validations": list(own), "properties": properties}
    return {"type": "object", "properties": {"spec": inner}}


INTEGER = {"type": "integer"}
LIMITS = spec(rule("self.low <= self.high", "low above high"), low=INTEGER, high=INTEGER)
FIXED = spec(size={**INTEGER, "x-kubernetes-validations": [rule("self == oldSelf", "cannot change")]})


def test_a_rule_holds_or_its_message_is_reported() -> None:
    assert reported(LIMITS, {"spec": {"low": 1, "high": 2}}) == []
    assert reported(LIMITS, {"spec": {"low": 3, "high": 2}}) == ["spec: Invalid value: low above high"]


def test_plain_values_are_shown_and_a_rule_without_message_shows_itself() -> None:
    schema = spec(size={**INTEGER, "x-kubernetes-validations": [rule("self % 2 == 0")]})
    assert reported(schema, {"spec": {"size": 3}}) == ["spec.size: Invalid value: 3: failed rule: self % 2 == 0"]


def test_a_rule_that_fails_on_the_value_refuses_it() -> None:
    [text] = reported(LIMITS, {"spec": {"low": 1}})
    assert text == "spec: Invalid value: no such key: high evaluating rule: low above high"


@pytest.mark.proves("crd-rules")
def test_a_transition_rule_compares_with_the_former_value() -> None:
    assert reported(FIXED, {"spec": {"size": 1}}) == []
    assert reported(FIXED, {"spec": {"size": 1}}, {"spec": {"size": 1}}) == []
    assert reported(FIXED, {"spec": {"size": 2}}, {"spec": {}}) == []
    assert reported(FIXED, {"spec": {"size": 2}}, {"spec": {"size": 1}}) == [
        "spec.size: Invalid value: 2: cannot change"
    ]


def test_with_an_optional_old_self_creation_is_checked_too() -> None:
    rising = rule("!oldSelf.hasValue() && self == 0 || oldSelf.orValue(0) < self", "rises", optionalOldSelf=True)
    schema = spec(size={**INTEGER, "x-kubernetes-validations": [rising]})
    assert reported(schema, {"spec": {"size": 0}}) == []
    assert reported(schema, {"spec": {"size": 2}}, {"spec": {"size": 1}}) == []
    assert reported(schema, {"spec": {"size": 1}}, {"spec": {"size": 2}}) == ["spec.size: Invalid value: 1: rises"]


@pytest.mark.parametrize(("list_type", "found"), [("map", ["spec.list[1]: Invalid value: fixed"]), ("atomic", [])])
def test_items_are_known_again_only_in_keyed_lists(list_type: str, found: list[str]) -> None:
    item = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "n": INTEGER},
        "x-kubernetes-validations": [rule("self.n == oldSelf.n", "fixed")],
    }
    declared = {"type": "array", "items": item, "x-kubernetes-list-type": list_type}
    keys = {"x-kubernetes-list-map-keys": ["name"]} if list_type == "map" else {}
    before = {"spec": {"list": [{"name": "a", "n": 1}, {"name": "b", "n": 2}]}}
    after = {"spec": {"list": [{"name": "b", "n": 2}, {"name": "a", "n": 9}, {"name": "new", "n": 5}]}}
    assert reported(spec(list={**declared, **keys}), after, before) == found


def test_message_expressions_reasons_and_field_paths() -> None:
    schema = spec(
        rule("self.n < 3", "plain", messageExpression="'n is ' + string(self.n)", reason="FieldValueForbidden"),
        rule("self.n < 4", "at n", fieldPath=".n"),
        rule("self.n < 5", "the plain one", messageExpression="self.nothing"),
        n=INTEGER,
    )
    assert reported(schema, {"spec": {"n": 7}}) == [
        "spec: Forbidden: n is 7",
        "spec.n: Invalid value: at n",
        "spec: Invalid value: the plain one",
    ]


def test_rules_see_formats_escaped_names_and_the_object_s_name() -> None:
    schema = spec(
        rule("self.__namespace__ == 'x' && self.a__dash__b == 1 && self.since < timestamp('2026-01-01T00:00:00Z')"),
        rule("self.wait > duration('1m')"),
        **{
            "namespace": {"type": "string"},
            "a-b": INTEGER,
            "since": {"type": "string", "format": "date-time"},
            "wait": {"type": "string", "format": "duration"},
        },
    )
    schema["x-kubernetes-validations"] = [rule("self.metadata.name == 'web' && !has(self.metadata.labels)")]
    value = {"namespace": "x", "a-b": 1, "since": "2025-01-01T00:00:00Z", "wait": "2m"}
    assert reported(schema, {"metadata": {"name": "web", "labels": {}}, "spec": value}) == []
    assert len(reported(schema, {"metadata": {"name": "db"}, "spec": {**value, "wait": "1s"}})) == 2


def test_a_rule_that_would_run_for_minutes_is_refused() -> None:
    unique = rule("self.list.all(x, self.list.exists_one(y, x == y))", "twice")
    schema = spec(unique, list={"type": "array", "items": INTEGER})
    assert reported(schema, {"spec": {"list": list(range(100))}}) == []
    assert reported(schema, {"spec": {"list": [1, 1]}}) == ["spec: Invalid value: twice"]
    [text] = reported(schema, {"spec": {"list": list(range(10_000))}})
    assert text.startswith("spec: Invalid value: call cost exceeds limit for rule: self.list.all")


@pytest.mark.parametrize(
    ("name", "written"),
    [("namespace", "__namespace__"), ("a-b", "a__dash__b"), ("a__b", "a__underscores__b"), ("plain", "plain")],
)
def test_names_are_escaped(name: str, written: str) -> None:
    assert escaped(name) == written


def test_rules_that_cannot_be_compiled_are_named_and_not_evaluated() -> None:
    schema = spec(n={**INTEGER, "x-kubernetes-validations": [rule("self.?x.hasValue()"), rule("self > 1", "too low")]})
    [found] = rules.unusable(convert(schema), "v1")
    assert (found.path, found.rule) == ("v1.spec.n", "self.?x.hasValue()")
    assert reported(schema, {"spec": {"n": 1}}) == ["spec.n: Invalid value: 1: too low"]


def test_parts_that_did_not_change_are_not_evaluated_again() -> None:
    schema = convert({"type": "object", "properties": dict.fromkeys(("one", "other"), LIMITS["properties"]["spec"])})
    wrong, right = {"low": 2, "high": 1}, {"low": 1, "high": 2}
    old = {"one": wrong, "other": right}
    again = {"one": dict(reversed(wrong.items())), "other": right}
    assert list(rules.problems(schema, {**old, "other": {"low": 1, "high": 3}}, old, transitions=False)) == []
    [found] = rules.problems(schema, {**old, "other": wrong}, old, transitions=False)
    assert found.field == "other"
    assert len(list(rules.problems(schema, again, old, transitions=False))) == 1, "as it was not, byte by byte"
    assert len(list(rules.problems(schema, old, old))) == 1, "a rule may read the former value"
