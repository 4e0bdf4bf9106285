"""The report names what is missing of each pod, and nothing of one that has all."""

from __future__ import annotations

import ipaddress
from typing import Any

from podwire.insight.mesh_audit.report import Lack, Report, audit
from podwire.insight.mesh_audit.text import json, text
from podwire.kube.meta import LabelSelector, NamespacedName, ObjectMeta
from podwire.mesh.authorization import pattern
from podwire.mesh.authorization.model import Action, Operation, Policy, Rule, Source
from podwire.mesh.authorization.selection import Authorization
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.kinds.transport_policy import TransportPolicy, TransportPolicySpec, TransportPort
from podwire.mesh.model.workload import Workload

ANY_IDENTITY = (pattern.read("*"),)
STRICT = Policy(NamespacedName("shop", "strict"), Action.DENY, (Rule((Source(not_identities=ANY_IDENTITY),)),))


def pod(name: str, **given: Any) -> Workload:
    key = NamespacedName("shop", name)
    return Workload(key, (ipaddress.ip_address("10.1.0.1"),), **{"enrolled": True, "redirected": True, **given})


def lacks(report: Report) -> set[tuple[str, Lack]]:
    return {(one.object, one.without) for one in report.findings}


def test_a_pod_outside_of_the_mesh_lacks_everything() -> None:
    report = audit([pod("a", enrolled=False)], Authorization())
    assert lacks(report) == {("Pod shop/a", one) for one in (Lack.ENCRYPTION, Lack.IDENTITY, Lack.RULE)}
    assert (report.pods, report.enrolled) == (1, 0)


def test_an_enrolled_pod_without_policies_is_open_to_everybody() -> None:
    report = audit([pod("a")], Authorization())
    assert lacks(report) == {("Pod shop/a", Lack.IDENTITY), ("Pod shop/a", Lack.RULE)}
    assert "all ports" in text(report)


def test_a_pod_that_only_identities_reach_lacks_nothing() -> None:
    assert audit([pod("a")], Authorization((STRICT,))).findings == ()
    assert lacks(audit([pod("a", redirected=False)], Authorization((STRICT,)))) == {("Pod shop/a", Lack.ENCRYPTION)}


def test_a_port_that_is_open_to_clients_without_identity_is_named() -> None:
    one = Policy(NamespacedName("shop", "open"), rules=(Rule(operations=(Operation(ports=(8080,)),)),))
    report = audit([pod("a")], Authorization((one,)))
    assert lacks(report) == {("Pod shop/a", Lack.IDENTITY)}
    assert "port 8080" in report.findings[0].why


def test_a_policy_without_pods_is_named() -> None:
    nobody = Policy(NamespacedName("shop", "nobody"), selector=LabelSelector(match_labels={"app": "gone"}))
    report = audit([pod("a")], Authorization((STRICT, nobody)))
    assert lacks(report) == {("AuthorizationPolicy shop/nobody", Lack.PODS)}
    assert '"without": "pods"' in json(report)


def transport(mode: str, *ports: TransportPort, selector: LabelSelector | None = None) -> Transport:
    spec = TransportPolicySpec(selector=selector, mode=mode, ports=ports)
    return Transport((TransportPolicy(metadata=ObjectMeta(name="t", namespace="shop"), spec=spec),))


def test_a_pod_whose_transport_policy_is_strict_is_not_open_to_plain_text() -> None:
    assert lacks(audit([pod("a")], Authorization(), transport("STRICT"))) == {("Pod shop/a", Lack.RULE)}
    open_port = audit([pod("a")], Authorization(), transport("STRICT", TransportPort(9090)))
    assert lacks(open_port) == {("Pod shop/a", Lack.IDENTITY), ("Pod shop/a", Lack.RULE)}
    assert "port 9090: add a TransportPolicy" in text(open_port)
    closed_port = audit([pod("a")], Authorization(), transport("PERMISSIVE", TransportPort(9090, "STRICT")))
    assert ("Pod shop/a", Lack.IDENTITY) in lacks(closed_port)
    assert "all ports" in text(closed_port)


def test_a_transport_policy_without_effect_is_named() -> None:
    gone = LabelSelector(match_labels={"app": "gone"})
    report = audit([pod("a")], Authorization((STRICT,)), transport("STRICT", selector=gone))
    assert lacks(report) == {("TransportPolicy shop/t", Lack.PODS)}
    report = audit([pod("a")], Authorization((STRICT,)), transport("strict"))
    assert lacks(report) == {("TransportPolicy shop/t", Lack.ACCEPTANCE)}


def test_a_policy_that_is_not_accepted_is_named_with_what_is_wrong() -> None:
    report = audit([pod("a")], Authorization((STRICT,)), unread=[("AuthorizationPolicy shop/x", "spec.rules: wrong")])
    assert lacks(report) == {("AuthorizationPolicy shop/x", Lack.ACCEPTANCE)}
    assert "spec.rules: wrong" in text(report)
