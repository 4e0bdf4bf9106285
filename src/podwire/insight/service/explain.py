"""The explanation of a Service from its objects. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podwire.insight.service import access_findings, endpoint_findings, pod_findings
from podwire.insight.service.announcing import announcers
from podwire.insight.service.choices import node_lines, views
from podwire.insight.service.objects import ServiceObjects
from podwire.insight.service.report import Finding, FrontendLine, NodeLine, Report, Severity
from podwire.kube.backends import members, receiving
from podwire.kube.services import Service
from podwire.services import model
from podwire.services.model import Scope
from podwire.services.node_view import NodeView
from podwire.services.word import effective_timeout

SEVERITIES = tuple(Severity)


def explain(
    objects: ServiceObjects, settings: NodeView, only: str = "", announced_ranges: Sequence[str] = ()
) -> Report:
    """Return what the Service means on each node, or on one only.

    `settings` and `announced_ranges` are what all agents are started with.
    """
    service = objects.service
    reason = access_findings.unserved(service)
    known = views(objects, settings, only)
    lines = node_lines(objects, known) if reason is None else ()
    found = _unserved(objects, reason) if reason is not None else _served(objects, lines, settings)
    return Report(
        str(service.key),
        "Headless" if service.headless else service.spec.type,
        tuple(_settings(service)),
        tuple(_frontends(objects, known[0] if known else settings, announced_ranges)) if reason is None else (),
        lines,
        tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))),
    )


def _served(objects: ServiceObjects, lines: tuple[NodeLine, ...], settings: NodeView) -> Iterator[Finding]:
    yield from access_findings.findings(objects, settings)
    yield from pod_findings.findings(objects)
    yield from endpoint_findings.findings(objects, lines)


def _unserved(objects: ServiceObjects, reason: Finding) -> Iterator[Finding]:
    """A Service without a proxy: for a headless one, the addresses that its name has."""
    yield reason
    if not objects.service.headless:
        return
    found = receiving({member.address: member for member, _ in members(objects.service, objects.slices)})
    if found:
        yield Finding(Severity.NOTE, "NameHasAddresses", f"The name has the addresses {', '.join(sorted(found))}.")
    else:
        yield Finding(Severity.ERROR, "NameHasNoAddress", "The name has no address: no endpoint is ready.")
    yield from pod_findings.findings(objects)


def _frontends(objects: ServiceObjects, view: NodeView, ranges: Sequence[str]) -> Iterator[FrontendLine]:
    service = objects.service
    nodes = announcers(objects, ranges)
    for entry in model.entries(service, (), view):
        frontend = entry.frontend
        address = "" if frontend.is_node_port else frontend.address
        protocol = frontend.protocol.upper()
        announcer = nodes.get(address) if entry.scope is Scope.LOAD_BALANCER else None
        name, sources = entry.inside.port.name, entry.source_ranges
        line = FrontendLine(entry.scope, address, protocol, frontend.port, name, announcer, sources)
        if not (frontend.is_node_port and frontend.family == 6 and _has_both(service)):
            yield line


def _has_both(service: Service) -> bool:
    return len({":" in address for address in service.addresses}) > 1


def _settings(service: Service) -> Iterator[tuple[str, str]]:
    """The fields that change what clients meet, as the Service has them."""
    spec = service.spec
    every: tuple[tuple[str, str], ...] = (
        ("selector", ",".join(f"{key}={value}" for key, value in sorted(spec.selector.items()))),
        ("externalName", spec.external_name),
        ("ipFamilies", ", ".join(spec.ip_families) + (f" ({spec.ip_family_policy})" if spec.ip_family_policy else "")),
        ("internalTrafficPolicy", spec.internal_traffic_policy or ""),
        ("externalTrafficPolicy", spec.external_traffic_policy),
        ("trafficDistribution", spec.traffic_distribution or ""),
        ("sessionAffinity", _affinity(service)),
        ("publishNotReadyAddresses", "true" if spec.publish_not_ready_addresses else ""),
        ("externalIPs", ", ".join(spec.external_ips)),
        ("loadBalancerClass", spec.load_balancer_class or ""),
        ("loadBalancerSourceRanges", ", ".join(spec.load_balancer_source_ranges)),
        ("healthCheckNodePort", str(spec.health_check_node_port or "")),
    )
    return ((name, value) for name, value in every if value)


def _affinity(service: Service) -> str:
    """The timeout as the Service has it, and the one in effect where that is another."""
    seconds = model.affinity_seconds(service)
    if not seconds:
        return ""
    effective = effective_timeout(seconds)
    return f"ClientIP, {seconds} s" + (f" ({effective} s in effect)" if effective != seconds else "")
