"""Which TransportPolicy counts for a pod."""

from __future__ import annotations

from podwire.kube.meta import LabelSelector, NamespacedName, ObjectMeta
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.kinds.transport_policy import (
    PERMISSIVE,
    STRICT,
    TransportPolicy,
    TransportPolicySpec,
    TransportPort,
    closed_policy,
)
from podwire.mesh.model.workload import Workload

WEB = Workload(NamespacedName("shop", "web"), (), labels={"app": "web"})


def policy(
    name: str, namespace: str, mode: str, app: str = "", *ports: TransportPort, created: str = ""
) -> TransportPolicy:
    selector = LabelSelector(match_labels={"app": app}) if app else None
    spec = TransportPolicySpec(selector=selector, mode=mode, ports=ports)
    return TransportPolicy(metadata=ObjectMeta(name=name, namespace=namespace, creation_timestamp=created), spec=spec)


def is_strict(*policies: TransportPolicy) -> bool:
    return Transport(policies).modes(WEB)[0]


def test_without_a_policy_plain_text_is_accepted() -> None:
    assert Transport().modes(WEB) == (False, {})
    assert not is_strict(policy("a", "other", STRICT), policy("b", "shop", STRICT, "api"))


def test_the_narrowest_policy_counts() -> None:
    everywhere = policy("a", "podwire-system", STRICT)
    assert is_strict(everywhere)
    assert not is_strict(everywhere, policy("b", "shop", PERMISSIVE))
    assert is_strict(everywhere, policy("b", "shop", PERMISSIVE), policy("c", "shop", STRICT, "web"))
    assert not is_strict(policy("b", "shop", STRICT), policy("c", "shop", PERMISSIVE, "web"))


def test_of_equal_ones_the_oldest_counts() -> None:
    old = policy("z", "shop", STRICT, created="2026-01-01T00:00:00Z")
    new = policy("a", "shop", PERMISSIVE, created="2026-02-01T00:00:00Z")
    assert is_strict(new, old)


def test_ports_may_differ() -> None:
    found = policy(
        "a", "shop", STRICT, "", TransportPort(port=8080, mode=PERMISSIVE), TransportPort(port=1, mode=STRICT)
    )
    assert Transport((found,)).modes(WEB) == (True, {8080: False, 1: True})


def test_a_policy_that_cannot_be_read_is_strict_for_its_namespace() -> None:
    assert is_strict(policy("b", "shop", PERMISSIVE), closed_policy(NamespacedName("shop", "broken")))
    assert not is_strict(closed_policy(NamespacedName("other", "broken")))
