"""Why clients cannot reach a Service by one of its addresses, or not as they may expect. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from podwire.insight.service.objects import ServiceObjects
from podwire.insight.service.pod_findings import names
from podwire.insight.service.report import Finding, Severity
from podwire.kube import selectors
from podwire.kube.discovery import HEADLESS_LABEL, PROXY_NAME_LABEL
from podwire.kube.services import Service
from podwire.services import model
from podwire.services.node_view import NodeView
from podwire.services.word import effective_timeout


def unserved(service: Service) -> Finding | None:
    """Return why no agent programs anything for this Service; None where it is an ordinary one."""
    labels = service.metadata.labels
    if PROXY_NAME_LABEL in labels:
        return Finding(
            Severity.NOTE,
            "OtherProxy",
            f"The label {PROXY_NAME_LABEL}={labels[PROXY_NAME_LABEL]} leaves the Service to another proxy:"
            " podwire does nothing for it.",
            "Remove the label, then create the Service again, if podwire shall serve it.",
        )
    if service.spec.type == "ExternalName":
        return Finding(
            Severity.NOTE,
            "ExternalName",
            f"Clients resolve the name to {service.spec.external_name}: DNS only, no address and no endpoint here.",
        )
    if service.headless:
        return Finding(
            Severity.NOTE,
            "Headless",
            "clusterIP is None: DNS resolves the name to the endpoints, and clients connect to them directly.",
        )
    if HEADLESS_LABEL in labels:
        return Finding(
            Severity.NOTE,
            "HeadlessLabel",
            f"The label {HEADLESS_LABEL} leaves the Service to names only: podwire programs no address.",
        )
    return None


def findings(objects: ServiceObjects, view: NodeView) -> Iterator[Finding]:
    """Return all of it. `view` is any node's."""
    service = objects.service
    yield from _no_address(service)
    yield from _conditions(service)
    yield from _load_balancer(objects)
    yield from _external_ips(service, view)
    yield from _conflicts(objects, view)
    yield from _affinity(service)
    yield from _policies(objects)
    for name in objects.unreadable:
        yield Finding(
            Severity.NOTE,
            "NotReadable",
            f"This account may not list {name}: what depends on them is not shown.",
            "Use an account that may, such as the cluster's administrator.",
        )


def _no_address(service: Service) -> Iterator[Finding]:
    if not service.addresses:
        yield Finding(
            Severity.ERROR,
            "NoClusterAddress",
            "The Service has no cluster address: no agent serves it, its other addresses included.",
            "See its events; the API server gives addresses when a Service is created.",
        )


def _conditions(service: Service) -> Iterator[Finding]:
    """Conditions of controllers that have a message: they name what does not work."""
    for one in service.status.conditions:
        if one.message:
            yield Finding(
                Severity.WARNING, one.reason or one.type, f"Condition {one.type} is {one.status}: {one.message}"
            )


def _load_balancer(objects: ServiceObjects) -> Iterator[Finding]:
    service = objects.service
    if service.spec.type != "LoadBalancer":
        return
    ingress = service.status.load_balancer.ingress
    if not ingress:
        yield _pending(objects)
    if any(one.ip_mode == "Proxy" for one in ingress):
        yield Finding(
            Severity.NOTE,
            "LoadBalancerProxy",
            "ipMode of the load balancer's address is Proxy: nodes send connections to it out, to the balancer.",
        )
    if service.spec.load_balancer_source_ranges and any(port.node_port for port in service.spec.ports):
        yield Finding(
            Severity.NOTE,
            "NodePortsUnguarded",
            "loadBalancerSourceRanges guards the load balancer's addresses only; the node ports admit everyone.",
            "Set allocateLoadBalancerNodePorts to false where the balancer needs no node ports.",
        )


def _pending(objects: ServiceObjects) -> Finding:
    """Why a load balancer has no address: by its class, else by the last warning about the Service."""
    spec = objects.service.spec
    text = "The load balancer has no address yet"
    warnings = [event for event in objects.events if event.type == "Warning"]
    if warnings:
        last = max(warnings, key=lambda event: event.last_timestamp or "")
        return Finding(Severity.WARNING, "LoadBalancerPending", f"{text}: {last.reason}: {last.message}")
    if spec.load_balancer_class:
        return Finding(
            Severity.WARNING,
            "LoadBalancerPending",
            f"{text}: it belongs to the provider of class {spec.load_balancer_class}.",
            "Run that provider, or create the Service without loadBalancerClass.",
        )
    return Finding(
        Severity.WARNING,
        "LoadBalancerPending",
        f"{text}, and no provider has reported anything.",
        "A world has a provider; on a cluster see whether a load balancer controller runs.",
    )


def _external_ips(service: Service, view: NodeView) -> Iterator[Finding]:
    if service.spec.external_ips and not view.allow_external_ips:
        yield Finding(
            Severity.WARNING,
            "ExternalIPsOff",
            f"externalIPs ({names(service.spec.external_ips)}) have no effect: agents serve them only where"
            " --allow-external-ips is set.",
            "Use type LoadBalancer; a user who may set externalIPs can take any address's traffic (CVE-2020-8554).",
        )


def _conflicts(objects: ServiceObjects, view: NodeView) -> Iterator[Finding]:
    """Addresses that another Service claims too: the older one has them."""
    for other, shared in claimants(objects, view):
        older = _age(other) < _age(objects.service)
        what = names([f"{one.address} {one.protocol.upper()} {one.port}" for one in shared])
        who = "it is older and has it" if older else "this one is older and has it"
        yield Finding(
            Severity.ERROR if older else Severity.NOTE,
            "AddressConflict",
            f"{what}: Service {other.key} claims it too; {who}.",
            "Change the address or the port of one of them.",
        )


def taken(objects: ServiceObjects, view: NodeView) -> frozenset[model.Frontend]:
    """Return the frontends of the Service that an older one has."""
    age = _age(objects.service)
    older = (shared for other, shared in claimants(objects, view) if _age(other) < age)
    return frozenset(frontend for shared in older for frontend in shared)


def claimants(objects: ServiceObjects, view: NodeView) -> Sequence[tuple[Service, Sequence[model.Frontend]]]:
    """Return the other Services that claim frontends of this one."""
    own = objects.service
    mine = {entry.frontend for entry in model.entries(own, (), view)}
    others = (other for other in objects.services if other.key != own.key)
    claims = ((other, [entry.frontend for entry in model.entries(other, (), view)]) for other in others)
    found = [(other, [frontend for frontend in claimed if frontend in mine]) for other, claimed in claims]
    return [(other, shared) for other, shared in found if shared]


def _age(service: Service) -> tuple[str, str]:
    return service.metadata.creation_timestamp or "", service.metadata.uid


def _affinity(service: Service) -> Iterator[Finding]:
    seconds = model.affinity_seconds(service)
    effective = effective_timeout(seconds) if seconds else 0
    if effective != seconds:
        yield Finding(
            Severity.NOTE,
            "AffinityRounded",
            f"The timeout of session affinity is {seconds} s; {effective} s are in effect, the next longer class.",
        )


def _policies(objects: ServiceObjects) -> Iterator[Finding]:
    """NetworkPolicies that select the endpoints: they may close what the Service opens."""
    pods = [pod for pod in objects.selected if not pod.finished]
    found = [
        policy.metadata.name
        for policy in objects.policies
        if _restricts_ingress(policy.spec.policy_types)
        and any(selectors.matches(policy.spec.pod_selector, pod.metadata.labels) for pod in pods)
    ]
    if found:
        yield Finding(
            Severity.NOTE,
            "NetworkPolicy",
            f"Ingress to the pods is restricted by NetworkPolicy {names(found)}: clients that it does not admit get no"
            " answer, whatever the Service has.",
            f"See 'kubectl -n {objects.service.metadata.namespace} describe networkpolicy {found[0]}'.",
        )


def _restricts_ingress(policy_types: Iterable[str]) -> bool:
    """Whether a policy is about ingress: absent types mean that it is."""
    types = tuple(policy_types)
    return not types or "Ingress" in types
