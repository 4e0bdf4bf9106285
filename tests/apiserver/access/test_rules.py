from __future__ import annotations

import pytest

from podwire.apiserver.access.rules import Question, Rule, Ruleset, merged
from podwire.apiserver.base.attributes import Attributes

PODS = Rule(("get", "list"), ("",), ("pods",))
ANY_VERB = Rule(("*",), ("apps",), ("deployments",))
ONE_NAME = Rule(("get",), ("",), ("configmaps",), ("settings",))
LOGS = Rule(("get",), ("",), ("pods/log",))
ALL_SCALES = Rule(("get",), ("*",), ("*/scale",))
ALL_OF_A_GROUP = Rule(("get",), ("batch",), ("*",))
EVERYTHING = Rule(("*",), ("*",), ("*",))
PATHS = Rule(("get",), paths=("/healthz", "/apis/*"))


@pytest.mark.parametrize(
    ("rule", "requested", "allowed"),
    [
        (PODS, Attributes("get", "", "v1", "pods", name="a"), True),
        (PODS, Attributes("delete", "", "v1", "pods", name="a"), False),
        (PODS, Attributes("get", "apps", "v1", "pods"), False),
        (PODS, Attributes("get", "", "v1", "services"), False),
        (PODS, Attributes("get", "", "v1", "pods", "log"), False),
        (LOGS, Attributes("get", "", "v1", "pods", "log"), True),
        (LOGS, Attributes("get", "", "v1", "pods"), False),
        (ANY_VERB, Attributes("frobnicate", "apps", "v1", "deployments"), True),
        (ANY_VERB, Attributes("get", "apps", "v1", "replicasets"), False),
        (ONE_NAME, Attributes("get", "", "v1", "configmaps", name="settings"), True),
        (ONE_NAME, Attributes("get", "", "v1", "configmaps", name="others"), False),
        (ONE_NAME, Attributes("get", "", "v1", "configmaps"), False),
        (ALL_SCALES, Attributes("get", "apps", "v1", "deployments", "scale"), True),
        (ALL_SCALES, Attributes("get", "apps", "v1", "deployments", "status"), False),
        (ALL_SCALES, Attributes("get", "apps", "v1", "deployments"), False),
        (ALL_OF_A_GROUP, Attributes("get", "batch", "v1", "jobs", "status"), True),
        (ALL_OF_A_GROUP, Attributes("get", "apps", "v1", "jobs"), False),
        (EVERYTHING, Attributes("create", "", "v1", "pods", "exec", "ns", "a"), True),
        (EVERYTHING, Attributes("get", path="/metrics"), False),
        (PATHS, Attributes("get", path="/healthz"), True),
        (PATHS, Attributes("get", path="/healthz/ping"), False),
        (PATHS, Attributes("post", path="/healthz"), False),
        (PATHS, Attributes("get", path="/apis/apps/v1"), True),
        (PATHS, Attributes("get", "", "v1", "pods"), False),
        (Rule(("get",), paths=("*",)), Attributes("get", path="/any/thing"), True),
    ],
)
def test_what_a_rule_allows(rule: Rule, requested: Attributes, allowed: bool) -> None:
    assert Ruleset([rule]).allows(Question.of(requested)) is allowed


def test_rules_add_up() -> None:
    two_names = Ruleset([ONE_NAME, Rule(("get",), ("",), ("configmaps",), ("more",))])
    for name, allowed in (("settings", True), ("more", True), ("others", False)):
        assert two_names.allows(Question.of(Attributes("get", "", "v1", "configmaps", name=name))) is allowed
    all_names = Ruleset([Rule(("get",), ("",), ("configmaps",)), ONE_NAME])
    assert all_names.allows(Question.of(Attributes("get", "", "v1", "configmaps", name="others")))


@pytest.mark.parametrize(
    ("held", "atom", "covered"),
    [
        (PODS, Rule(("get",), ("",), ("pods",)), True),
        (PODS, Rule(("get",), ("",), ("pods",), ("a",)), True),
        (PODS, Rule(("*",), ("",), ("pods",)), False),
        (PODS, Rule(("get",), ("*",), ("pods",)), False),
        (ONE_NAME, Rule(("get",), ("",), ("configmaps",), ("settings",)), True),
        (ONE_NAME, Rule(("get",), ("",), ("configmaps",)), False),
        (EVERYTHING, Rule(("*",), ("*",), ("*",)), True),
        (EVERYTHING, Rule(("get",), paths=("/a",)), False),
        (PATHS, Rule(("get",), paths=("/apis/x",)), True),
        (PATHS, Rule(("get",), paths=("*",)), False),
    ],
)
def test_rights_that_are_held_may_be_granted(held: Rule, atom: Rule, covered: bool) -> None:
    assert Ruleset([held]).allows(Question.of_atom(atom)) is covered


def test_rules_are_split_and_merged_again() -> None:
    atoms = list(Rule(("get", "list"), ("", "apps"), ("pods",), ("a", "b")).atoms())
    assert len(atoms) == 8
    assert Rule(("list",), ("apps",), ("pods",), ("b",)) in atoms
    assert merged(PODS.atoms()) == [PODS]
    assert list(PATHS.atoms()) == [Rule(("get",), paths=("/healthz",)), Rule(("get",), paths=("/apis/*",))]


def test_rules_are_shown_as_upstream_shows_them() -> None:
    assert str(PODS) == '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}'
    assert str(ONE_NAME).count('ResourceNames:["settings"]') == 1
    assert Rule.of(ONE_NAME.json()) == ONE_NAME
