"""Which requests rules and selectors match."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.apiserver.kinds import builtin
from podwire.apiserver.kinds.resources import Resource
from podwire.apiserver.writes.admission_policies.kinds import MatchResources
from podwire.apiserver.writes.admission_policies.matching import Subject, is_subject
from tests.apiserver.writes.admission_policies.samples import rule


def resource(group: str, plural: str) -> Resource:
    return next(one for one in builtin.BUILTIN if (one.group, one.plural) == (group, plural))


def subject(operation: str = "CREATE", part: str = "", plural: str = "pods", group: str = "") -> Subject:
    obj: dict[str, Any] = {"metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}}}
    new = None if operation == "DELETE" else obj
    return Subject(resource(group, plural), ("v1",), part, operation, new, obj, {"team": "a"})


def match(*rules: dict[str, Any], **parts: Any) -> MatchResources:
    return msgspec.convert({"resourceRules": list(rules), **parts}, MatchResources)


@pytest.mark.parametrize(
    ("resources", "part", "found"),
    [
        ("pods", "", True),
        ("pods", "status", False),
        ("pods/status", "status", True),
        ("pods/status", "", False),
        ("pods/*", "status", True),
        ("*", "", True),
        ("*", "status", False),
        ("*/status", "status", True),
        ("*/*", "status", True),
        ("services", "", False),
    ],
)
def test_resources(resources: str, part: str, found: bool) -> None:
    assert is_subject(match(rule(resources)), subject(part=part)) is found


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({}, True),
        ({"operations": ["UPDATE"]}, False),
        ({"operations": ["*"]}, True),
        ({"apiGroups": ["apps"]}, False),
        ({"apiVersions": ["v2"]}, False),
        ({"apiVersions": ["*"]}, True),
        ({"scope": "Cluster"}, False),
        ({"scope": "Namespaced"}, True),
        ({"resourceNames": ["web"]}, True),
        ({"resourceNames": ["other"]}, False),
    ],
)
def test_parts_of_a_rule(parts: dict[str, Any], found: bool) -> None:
    assert is_subject(match(rule("pods") | parts), subject()) is found


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "b"}}}, False),
        ({"objectSelector": {"matchLabels": {"app": "web"}}}, True),
        ({"objectSelector": {"matchLabels": {"app": "db"}}}, False),
        ({"excludeResourceRules": [rule("pods")]}, False),
        ({"excludeResourceRules": [rule("services")]}, True),
    ],
)
@pytest.mark.parametrize("operation", ["CREATE", "DELETE"])
def test_selectors_and_excluded_rules(operation: str, parts: dict[str, Any], found: bool) -> None:
    excluded = [{**one, "operations": ["*"]} for one in parts.get("excludeResourceRules", ())]
    whole = parts | ({"excludeResourceRules": excluded} if excluded else {})
    assert is_subject(match(rule("pods", operations=("*",)), **whole), subject(operation)) is found


def test_other_versions_match_unless_the_policy_is_exact() -> None:
    found = Subject(resource("autoscaling", "horizontalpodautoscalers"), ("v2", "v1"), "", "CREATE", {}, None, {})
    rules = rule("horizontalpodautoscalers", group="autoscaling")
    assert is_subject(match(rules), found)
    assert not is_subject(match(rules, matchPolicy="Exact"), found)
