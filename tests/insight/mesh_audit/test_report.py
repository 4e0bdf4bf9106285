"""The report names what is missing of each pod, and nothing of one that has all."""

from __future__ import annotations

import ipaddress
from typing import Any

from podwire.insight.mesh_audit.report import Lack, Report, audit
from podwire.insight.mesh_audit.text import json, text
from podwire.kube.meta import LabelSelector, NamespacedName
from podwire.mesh.authorization import pattern
from podwire.mesh.authorization.model import Action, Operation, Policy, Rule, Source
from podwire.mesh.authorization.selection import Authorization
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
