"""Checks of the ports of rules, and of names that cannot be resolved. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.insight.lint.finding import Finding, Severity
from podwire.insight.lint.scene import Scene, WrittenRule, port_of
from podwire.insight.reach.selector_sets import bits
from podwire.insight.snapshot.assumed_dns import is_server
from podwire.insight.snapshot.endpoints import target
from podwire.insight.snapshot.workload import Workload
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.policy.model import Direction, PortName, Ports
from podwire.policy.tiers import Tier

DNS_RULE = """add to its egress: {to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, \
podSelector: {matchLabels: {k8s-app: kube-dns}}}], ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]}"""

TIER_DNS_RULE = """add before its egress rules: {action: Accept, to: [{pods: {namespaceSelector: {matchLabels: \
{kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}}], protocols: \
[{udp: {destinationPort: {number: 53}}}, {tcp: {destinationPort: {number: 53}}}]}"""


def receivers(scene: Scene, one: WrittenRule) -> list[Workload]:
    """Return the workloads whose ports the rule is about: its subjects, or its peers of egress."""
    if one.direction is Direction.INGRESS:
        mask = scene.subjects(one.meaning)
    else:
        mask = scene.sets.peers(scene.axis, one.rule, one.policy.metadata.namespace) & scene.pods
    keys = {scene.parties.all[number].key for number in scene.parties.members(mask).pods}
    return [workload for workload in scene.snapshot.workloads if workload.owner.key in keys]


def service_ports(scene: Scene) -> Iterator[Finding]:
    """Numbers of Services' ports where the pods' ports count."""
    for one in scene.rules:
        written = [(number, port) for number, port in enumerate(map(port_of, one.ports)) if isinstance(port, Ports)]
        single = [(number, port) for number, port in written if port.first == port.last]
        pods = receivers(scene, one) if single else []
        for number, port in single:
            if not pods or any(_listens(pod, port) for pod in pods):
                continue
            found = _translated(scene, pods, port)
            if found is None:
                continue
            service, desired = found
            yield scene.finding(
                "service-port", Severity.ERROR, one.policy, (*one.path, "ports", number, "port"),
                message=f"{port.first}/{port.protocol} is the port of Service {service.key}; its pods listen on "
                f"{desired}, and that is the port which policies see",
                remedy=f"write port: {desired}",
            )  # fmt: skip


def _listens(pod: Workload, port: Ports) -> bool:
    return any(one.container_port == port.first and one.protocol == port.protocol for one in pod.ports)


def _translated(scene: Scene, pods: list[Workload], port: Ports) -> tuple[Service, int] | None:
    """Return a Service of these pods with this port that forwards to another port of theirs."""
    for service in scene.snapshot.services:
        if not service.spec.selector:
            continue
        chosen = [
            pod
            for pod in pods
            if pod.namespace == service.metadata.namespace and service.spec.selector.items() <= pod.labels.items()
        ]
        for own in service.spec.ports if chosen else ():
            if own.port == port.first and own.protocol == port.protocol:
                desired = next((n for pod in chosen if (n := target(own, pod)) not in {None, port.first}), None)
                if desired is not None:
                    return service, desired
    return None


def unknown_port_names(scene: Scene) -> Iterator[Finding]:
    """Names of ports that no pod has which receives."""
    for one in scene.rules:
        for number, port in enumerate(map(port_of, one.ports)):
            if not isinstance(port, PortName):
                continue
            pods = receivers(scene, one)
            named = {(own.name, own.protocol) for pod in pods for own in pod.ports if own.name}
            if not pods or (port.name, port.protocol) in named:
                continue
            other = next((protocol for name, protocol in sorted(named) if name == port.name), None)
            names = ", ".join(sorted(f"{name} ({protocol})" for name, protocol in named)) or "no names"
            reason = f"it is a port of {other}, the rule of {port.protocol}" if other else f"its pods have {names}"
            yield scene.finding(
                "unknown-port-name", Severity.ERROR, one.policy, (*one.path, "ports", number, "port"),
                message=f"no container of {', '.join(sorted({str(pod) for pod in pods})[:3])} has a port named "
                f"{port.name} of {port.protocol}: {reason}",
                remedy="use a name of their containers' ports (not of a Service's), or the number",
            )  # fmt: skip


def dns_forgotten(scene: Scene) -> Iterator[Finding]:
    """Workloads that may send something, but not to the cluster's DNS server; one finding for each policy."""
    label = {
        number for number, group in enumerate(scene.answer.question.groups) if is_server(group.namespace, group.labels)
    }
    servers = bits(n for n, members in enumerate(scene.answer.classes.members) if not label.isdisjoint(members))
    decisive = _Decisive(scene)
    found: dict[tuple[str, NamespacedName, tuple[str, ...]], int] = {}
    for profile in scene.family.matrix.egress[1:] if servers else ():
        if not profile.allowed or profile.subjects & servers:
            continue  # it may send nothing at all: no name is missed
        missing = tuple(
            protocol
            for protocol in ("UDP", "TCP")
            if not any(
                peers & servers and scene.sets.ports.holds(ports, protocol, 53)
                for ports, peers in profile.allowed.items()
            )
        )
        one = decisive.policy(profile.subjects) if missing else None
        if one is not None:
            found[*one, missing] = found.get((*one, missing), 0) | profile.subjects & scene.pods
    for (kind, key, missing), subjects in found.items():
        yield _without_dns(scene, (kind, key), subjects, missing)


class _Decisive:
    """Which policy of egress a finding about its subjects is shown at."""

    def __init__(self, scene: Scene) -> None:
        policies = [one for one in scene.policies if one[1].egress is not None]
        policies.sort(key=lambda one: not one[0].spec.egress)  # those with rules first
        self._found = [("NetworkPolicy", written.key, scene.subjects(meaning)) for written, meaning in policies]
        for tier in scene.answer.question.tiers:
            if tier.egress and tier.tier is not Tier.DEFAULT:
                key = NamespacedName("", tier.name)
                self._found.append(("ClusterNetworkPolicy", key, scene.sets.selected(tier.subject, "")))

    def policy(self, subjects: int) -> tuple[str, NamespacedName] | None:
        """Return kind and name of the first policy that selects one of the subjects; None where none is an object."""
        return next(((kind, key) for kind, key, selected in self._found if selected & subjects), None)


def _without_dns(scene: Scene, one: tuple[str, NamespacedName], subjects: int, missing: tuple[str, ...]) -> Finding:
    is_tier = one[0] == "ClusterNetworkPolicy"
    why = " (a port without a protocol is TCP)" if missing == ("UDP",) and not is_tier else ""
    effect = "long answers fail" if missing == ("TCP",) else "names of Services and hosts are not found"
    return Finding(
        "dns-forgotten",
        Severity.INFO if missing == ("TCP",) else Severity.WARNING,
        scene.at(*one, "spec", "egress"),
        f"{one[0]} {one[1]}",
        f"{scene.text(subjects)} cannot send to port 53 of the cluster's DNS by {' and '.join(missing)}{why}: {effect}",
        TIER_DNS_RULE if is_tier else DNS_RULE,
    )
