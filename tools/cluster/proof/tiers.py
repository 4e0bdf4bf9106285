"""ClusterNetworkPolicies over the shop's NetworkPolicies, with packets, and what `podwire flows` shows of them."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from typing import Any

from podwire.lab.demo import demo, plan
from podwire.lab.demo.report import judge
from tools.cluster.api import wait
from tools.cluster.installation import PODWIRE
from tools.cluster.proof.subject import Subject
from tools.conformance import programs

PART = "tiers"
SECONDS = 120.0
"""Agents look for a new kind once a minute."""
KIND = "ClusterNetworkPolicy"
MODULE = "sigs.k8s.io/network-policy-api"
DEFINITION = "config/crd/standard/policy.networking.k8s.io_clusternetworkpolicies.yaml"
CLOSED = plan.Probe(
    plan.BROWSER, plan.FRONTEND, 80, plan.Expected.DENY, "the Admin tier denies what the shop's policies allow"
)
OPENED = plan.Probe(
    plan.PROMETHEUS, plan.FRONTEND, 80, plan.Expected.ALLOW, "the Admin tier accepts what no policy of frontend allows"
)
KEPT = plan.Probe(
    plan.FRONTEND, plan.BACKEND, 8080, plan.Expected.ALLOW, "no ClusterNetworkPolicy decides it: the shop's policies do"
)
POLICIES = """
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: visitors}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}
  ingress:
  - name: frontend-is-open
    action: Accept
    from: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
    protocols: [{tcp: {destinationPort: {number: 80}}}]
  - name: shop-is-closed
    action: Deny
    from: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: visitors}}}]
"""


def run(subject: Subject) -> None:
    """Define the kind, apply the policy, send packets, read the record of one that was dropped, remove both."""
    if not subject.has_shop:
        subject.check(PART, "the shop", "was not applied: run the part `shop` too", ok=False)
        return
    definition = programs.module_folder(MODULE, "policy") / DEFINITION
    subject.kubectl("apply", "--server-side", "-f", str(definition))
    subject.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(definition))
    subject.kubectl("apply", "-f", "-", text=POLICIES)
    seconds = wait("the Admin tier is enforced", SECONDS, lambda: _all_as_expected(subject, CLOSED, OPENED))
    for line in judge(demo.prove(subject.kubectl, (CLOSED, OPENED, KEPT))):
        probe = line.result.probe
        subject.check(PART, f"{probe.id}: {probe.why}", line.fault or line.result.seen, line.ok)
    subject.report(f"the new kind is enforced after {seconds:.1f} s")
    denied = _denied(subject)
    seen = f"dropped by {', '.join(sorted(denied))}"
    subject.check(PART, "podwire flows", seen, any(name.startswith(f"{KIND} visitors") for name in denied))
    subject.kubectl("delete", "-f", "-", text=POLICIES)
    opened = dataclasses.replace(CLOSED, expected=plan.Expected.ALLOW)
    closed = dataclasses.replace(OPENED, expected=plan.Expected.DENY)
    wait("the shop's own policies decide again", SECONDS, lambda: _all_as_expected(subject, opened, closed))
    subject.kubectl("delete", "-f", str(definition))


def _all_as_expected(subject: Subject, *probes: plan.Probe) -> bool:
    return all(line.ok for line in judge(demo.prove(subject.kubectl, probes)))


def _denied(subject: Subject) -> set[str]:
    """Name and rule of ClusterNetworkPolicies that dropped a connection of visitors."""
    words = [PODWIRE, "flows", "-n", "visitors", "-o", "json", "--kubeconfig", str(subject.layout.kubeconfig)]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    flows: list[dict[str, Any]] = [json.loads(line)["flow"] for line in shown.splitlines()]
    return {
        f"{policy['kind']} {policy['name']} {policy['rule']}"
        for flow in flows
        for policy in flow.get("ingress_denied_by", ())
        if policy.get("kind") == KIND
    }
