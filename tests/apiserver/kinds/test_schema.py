import subprocess
import sys

import pytest

from podwire.apiserver.kinds import schema
from podwire.apiserver.kinds.builtin import registry
from podwire.apiserver.kinds.resources import Resource
from podwire.apiserver.kinds.schema import ListRule, MergeRules

REGISTRY = registry()


def kind(api_version: str, name: str) -> Resource:
    found = REGISTRY.by_kind(api_version, name)
    assert found is not None
    return found


def follow(rules: MergeRules, path: str) -> ListRule | MergeRules | None:
    """The rule at a path; lists are passed through to their items."""
    *parents, last = path.split(".")
    for name in parents:
        rule = rules.child(name)
        inner = rule.items if isinstance(rule, ListRule) else rule
        assert inner is not None, f"{name} of {path} holds no objects"
        rules = inner
    return rules.child(last)


@pytest.mark.proves("openapi-v3-merge-keys")
@pytest.mark.parametrize(
    ("name", "path", "merge_key"),
    [
        ("Pod", "spec.containers", "name"),
        ("Pod", "spec.containers.ports", "containerPort"),
        ("Pod", "spec.containers.env", "name"),
        ("Pod", "spec.volumes", "name"),
        ("Pod", "spec.imagePullSecrets", "name"),
        ("Pod", "status.conditions", "type"),
        ("Service", "spec.ports", "port"),
        ("Pod", "metadata.ownerReferences", "uid"),
    ],
)
def test_lists_of_objects_merge_by_their_key(name: str, path: str, merge_key: str) -> None:
    rule = follow(schema.merge_rules(kind("v1", name)), path)
    assert isinstance(rule, ListRule)
    assert rule.merge
    assert rule.merge_key == merge_key


def test_lists_of_plain_values_merge_as_sets_where_declared() -> None:
    rules = schema.merge_rules(kind("v1", "Pod"))
    assert follow(rules, "metadata.finalizers") == ListRule(merge=True)
    assert follow(rules, "spec.containers.args") == ListRule(merge=False)


def test_lists_without_a_strategy_are_replaced_whole() -> None:
    rule = follow(schema.merge_rules(kind("networking.k8s.io/v1", "NetworkPolicy")), "spec.ingress")
    assert isinstance(rule, ListRule)
    assert not rule.merge


def test_objects_and_maps_are_followed_and_plain_values_are_not() -> None:
    rules = schema.merge_rules(kind("v1", "Pod"))
    assert isinstance(follow(rules, "metadata.labels"), MergeRules)
    assert follow(rules, "spec.nodeName") is None
    assert rules.child("nothing") is None
    assert follow(schema.merge_rules(kind("policy/v1", "PodDisruptionBudget")), "spec.selector") is None


@pytest.mark.parametrize(
    ("pointer", "type_", "form"),
    [
        ("/spec/containers/0/ports/-/containerPort", "integer", "int32"),
        ("/metadata/labels/app.kubernetes.io~1name", "string", ""),
        ("/spec/terminationGracePeriodSeconds", "integer", "int64"),
        ("", "object", ""),
    ],
)
def test_a_pointer_leads_to_a_schema(pointer: str, type_: str, form: str) -> None:
    found = schema.at(kind("v1", "Pod"), pointer)
    assert found is not None
    assert (found.type, found.format) == (type_, form)


def test_a_pointer_to_nothing_leads_nowhere() -> None:
    assert schema.at(kind("v1", "Pod"), "/spec/container") is None
    assert schema.at(kind("v1", "Pod"), "/spec/container/0/name") is None


@pytest.mark.parametrize("resource", list(REGISTRY.all()), ids=lambda resource: resource.qualified_plural)
def test_every_served_kind_has_a_schema(resource: Resource) -> None:
    assert "metadata" in schema.of(resource).properties
    if "list" in resource.verbs:
        schema.definition_name(resource.api_version, resource.list_kind)


def test_a_kind_without_a_schema_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"no schema of Widget in example.com/v1"):
        schema.definition_name("example.com/v1", "Widget")


def test_discovery_reads_no_schemas() -> None:
    """A server starts without unpacking anything."""
    program = (
        "from podwire.apiserver.documents import discovery\n"
        "from podwire.apiserver.kinds import builtin, schema\n"
        "discovery.aggregated_core(builtin.registry())\n"
        "print(schema.structures.cache_info().currsize)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert answer.stdout == "0\n"
