"""Checks of EgressGateways. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.insight.lint.finding import Finding, Severity
from podwire.insight.lint.scene import Scene
from podwire.insight.snapshot.egress_view import gateways, selected
from podwire.kube.meta import NamespacedName


def invalid_gateways(scene: Scene) -> Iterator[Finding]:
    """EgressGateways that no node serves, as a field is not valid."""
    for one in gateways(scene.snapshot):
        for problem in one.problems:
            message = f"{problem.partition(': ')[0]}: no node serves it, and the pods that it selects do not leave"
            remedy = problem.partition(": ")[2] or "correct the field"
            yield _finding(scene, "egress-gateway-not-valid", Severity.ERROR, one.name, message, remedy)


def idle_gateways(scene: Scene) -> Iterator[Finding]:
    """EgressGateways that select no pod, or only pods of older ones."""
    older: set[tuple[str, str]] = set()
    for one in gateways(scene.snapshot):
        mine = {(workload.namespace, str(workload)) for workload in selected(one, scene.snapshot)}
        if not mine - older:
            reason = "it selects no pod" if not mine else "older EgressGateways select all of its pods, and count first"
            remedy = "correct namespaceSelector and podSelector, or remove it"
            yield _finding(scene, "egress-gateway-unused", Severity.WARNING, one.name, reason, remedy)
        older |= mine


def _finding(scene: Scene, check: str, severity: Severity, name: str, message: str, remedy: str) -> Finding:
    place = scene.at("EgressGateway", NamespacedName("", name), "spec")
    return Finding(check, severity, place, f"EgressGateway {name}", message, remedy)
