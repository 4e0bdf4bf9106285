from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest

from podwire.apiserver.access.rbac import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    Rbac,
)
from podwire.apiserver.base.attributes import Attributes
from podwire.apiserver.base.authentication import User
from podwire.apiserver.storage.revisions import Event, Key
from podwire.apiserver.storage.transaction import stored_object
from tests.apiserver.access.things import account, binding, group, role, rule, user

Object = dict[str, Any]

GET_PODS = rule("get", "", "pods")


class Index:
    """An Rbac index, fed as a store feeds it."""

    def __init__(self) -> None:
        self.rbac = Rbac()
        self._version = 0

    def put(self, storage: str, obj: Object, namespace: str = "") -> None:
        self._follow(storage, obj, namespace, removed=False)

    def remove(self, storage: str, obj: Object, namespace: str = "") -> None:
        self._follow(storage, obj, namespace, removed=True)

    def may(self, name: str, *groups: str, namespace: str = "ns", verb: str = "get") -> bool:
        return self.rbac.decide(User(name, groups), Attributes(verb, "", "v1", "pods", namespace=namespace)).allowed

    def _follow(self, storage: str, obj: Object, namespace: str, *, removed: bool) -> None:
        self._version += 1
        key = Key(storage, namespace, obj["metadata"]["name"])
        self.rbac.follow([Event(None, stored_object(key, self._version, obj), removed=removed)])


@pytest.fixture
def index() -> Index:
    made = Index()
    made.put(CLUSTER_ROLES, role("reader", GET_PODS))
    return made


@pytest.mark.proves("rbac")
def test_a_cluster_role_binding_holds_in_every_namespace(index: Index) -> None:
    assert not index.may("eve")
    index.put(CLUSTER_ROLE_BINDINGS, binding("b", "reader", user("eve")))
    assert index.may("eve", namespace="a")
    assert index.may("eve", namespace="")
    assert not index.may("eve", verb="delete")
    assert not index.may("adam")


@pytest.mark.proves("rbac")
def test_a_role_binding_holds_in_its_own_namespace(index: Index) -> None:
    index.put(ROLE_BINDINGS, binding("b", "reader", user("eve")), "a")
    assert index.may("eve", namespace="a")
    assert not index.may("eve", namespace="b")
    assert not index.may("eve", namespace="")


def test_a_role_is_that_of_the_bindings_namespace(index: Index) -> None:
    index.put(ROLES, role("local", GET_PODS), "a")
    index.put(ROLE_BINDINGS, binding("b", "local", user("eve"), kind="Role"), "a")
    index.put(ROLE_BINDINGS, binding("b", "local", user("eve"), kind="Role"), "b")
    assert index.may("eve", namespace="a")
    assert not index.may("eve", namespace="b")


@pytest.mark.parametrize(
    ("subject", "user", "groups", "allowed"),
    [
        (user("eve"), "eve", (), True),
        (user("eve"), "adam", ("eve",), False),
        (group("staff"), "eve", ("staff",), True),
        (group("staff"), "staff", (), False),
        (account("bot", "a"), "system:serviceaccount:a:bot", (), True),
        (account("bot", "a"), "system:serviceaccount:b:bot", (), False),
        (account("bot", "a"), "bot", (), False),
        ({"kind": "ServiceAccount", "name": "bot"}, "system:serviceaccount:ns:bot", (), True),
        (user("system:serviceaccount:a:bot"), "system:serviceaccount:a:bot", (), True),
        ({"kind": "User", "name": "eve", "apiGroup": "example.com"}, "eve", (), False),
        ({"kind": "Robot", "name": "eve"}, "eve", (), False),
    ],
)
def test_a_subject_matches_users_groups_and_accounts(
    index: Index, subject: Object, user: str, groups: tuple[str, ...], allowed: bool
) -> None:
    index.put(ROLE_BINDINGS, binding("b", "reader", subject), "ns")
    assert index.may(user, *groups) is allowed


def test_what_changes_counts_at_once(index: Index) -> None:
    bound = binding("b", "reader", user("eve"))
    index.put(CLUSTER_ROLE_BINDINGS, bound)
    assert index.may("eve")
    index.put(CLUSTER_ROLES, role("reader", rule("list", "", "pods")))
    assert not index.may("eve")
    assert index.may("eve", verb="list")
    index.put(CLUSTER_ROLE_BINDINGS, binding("b", "reader", user("adam")))
    assert not index.may("eve", verb="list")
    assert index.may("adam", verb="list")
    index.remove(CLUSTER_ROLE_BINDINGS, bound)
    assert not index.may("adam", verb="list")


def test_a_missing_role_is_reported(index: Index) -> None:
    index.put(ROLE_BINDINGS, binding("b", "none", user("eve"), kind="Role"), "ns")
    decision = index.rbac.decide(User("eve"), Attributes("get", "", "v1", "pods", namespace="ns"))
    assert not decision.allowed
    assert decision.reason == 'RBAC: role.rbac.authorization.k8s.io "none" not found'


def test_an_allowed_decision_has_a_reason(index: Index) -> None:
    index.put(ROLE_BINDINGS, binding("b", "reader", user("eve")), "ns")
    decision = index.rbac.decide(User("eve"), Attributes("get", "", "v1", "pods", namespace="ns"))
    assert decision.reason == 'RBAC: allowed by RoleBinding "b/ns" of ClusterRole "reader" to User "eve"'


def test_long_attributes_are_decided_and_not_cached(index: Index) -> None:
    index.put(CLUSTER_ROLE_BINDINGS, binding("b", "reader", user("eve")))
    tracemalloc.start()
    try:
        for number in range(50):
            assert index.may("eve", namespace=f"{number:0100000}")
            assert not index.may("adam", namespace=f"{number:0100000}")
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


def test_bindings_of_other_subjects_are_not_read(index: Index) -> None:
    index.put(CLUSTER_ROLE_BINDINGS, binding("b", "reader", user("eve")))
    for number in range(5000):
        index.put(ROLE_BINDINGS, binding(f"b{number}", "reader", user(f"user-{number}")), "ns")
    assert index.may("eve")
    began = time.process_time()
    for _ in range(1000):
        index.may("eve")
    assert (time.process_time() - began) / 1000 < 200e-6
