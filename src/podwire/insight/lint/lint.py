"""All checks, in the order in which a reader needs them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from podwire.insight.lint import (
    egress_checks,
    field_checks,
    mesh_checks,
    peer_checks,
    port_checks,
    service_checks,
    subject_checks,
)
from podwire.insight.lint.finding import Finding, Severity
from podwire.insight.lint.scene import Scene
from podwire.insight.snapshot.snapshot import Snapshot

CHECKS: tuple[Callable[[Scene], Iterator[Finding]], ...] = (
    field_checks.unknown_fields,
    field_checks.invalid_fields,
    field_checks.cluster_policies,
    egress_checks.invalid_gateways,
    egress_checks.idle_gateways,
    subject_checks.selects_nothing,
    subject_checks.host_network,
    subject_checks.policy_types,
    port_checks.service_ports,
    port_checks.unknown_port_names,
    peer_checks.service_addresses,
    service_checks.service_selects_nothing,
    service_checks.service_target_ports,
    peer_checks.unknown_labels,
    peer_checks.two_items,
    port_checks.dns_forgotten,
    peer_checks.one_sided,
    subject_checks.default_deny,
    peer_checks.shadowed,
    peer_checks.blocks_of_pods,
    mesh_checks.invalid_policies,
    mesh_checks.not_judged,
)
NAMES = (
    "unknown-field", "not-valid", "cluster-policy-not-valid", "egress-gateway-not-valid", "egress-gateway-unused",
    "selects-nothing", "host-network-selected", "section-ignored",
    "ingress-isolated-too", "service-port", "unknown-port-name", "block-of-service", "service-without-pods",
    "service-target-port", "rule-unused", "labels-nobody-has", "two-items", "dns-forgotten", "other-end-refuses",
    "default-deny-missing", "rule-shadowed", "block-of-pods", "mesh-policy-not-valid", "mesh-not-judged",
)  # fmt: skip
"""Of all checks."""
_ORDER = list(Severity)


def lint(snapshot: Snapshot, ignored: Iterable[str] = ()) -> list[Finding]:
    """Return all findings, errors first, without those of ignored checks."""
    scene, left_out = Scene(snapshot), frozenset(ignored)
    found = dict.fromkeys(one for check in CHECKS for one in check(scene) if one.check not in left_out)
    return sorted(found, key=lambda one: _ORDER.index(one.severity))
