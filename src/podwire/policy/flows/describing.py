"""From a logged packet to a flow record: who its ends are, and which policies decide. Pure."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from podwire.kube.meta import NamespacedName
from podwire.kube.pod_workloads import workload
from podwire.policy import default_deny
from podwire.policy.flows import record
from podwire.policy.flows.record import (
    L4,
    Addresses,
    Endpoint,
    Flow,
    L4Ports,
    OriginalDestination,
    PolicyReference,
    ServiceName,
)
from podwire.policy.verdict import Judgement, RuleReference, TierReference, Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podwire.kernel.packet_headers import Headers
    from podwire.kernel.packet_log import LoggedPacket
    from podwire.kube.core import Pod
    from podwire.policy.model import IPAddress
    from podwire.policy.view import View

_NAMES = {socket.IPPROTO_TCP: "TCP", socket.IPPROTO_UDP: "UDP", socket.IPPROTO_SCTP: "SCTP"}
_ICMP = {socket.IPPROTO_ICMP: "ICMPv4", socket.IPPROTO_ICMPV6: "ICMPv6"}
LABELS = 32
"""Labels of an end that are kept at most."""
CLUSTER_POLICY = "ClusterNetworkPolicy"
EGRESS_PREFIX, CLOSED_PREFIX, ALLOWED_PREFIX = "egress", "closed", "allowed"
"""What the rulesets write before packets; the other one is `ingress`."""


class Services(Protocol):
    """Which Service has an address."""

    def owner(self, address: IPAddress) -> NamespacedName | None:
        """The Service, None where no Service has it."""
        ...


class Scene:
    """What a node knows of the ends of connections: pods, policies, Services."""

    def __init__(self, node: str, view: View, pods: Mapping[NamespacedName, Pod], services: Services) -> None:
        self.node = node
        self.view = view
        self._pods = pods
        self._services = services

    def flow(self, packet: LoggedPacket, now: float) -> Flow:
        """Return the record of a connection's first packet; `now` counts where the kernel noted no time."""
        found = packet.headers
        judged = self._judged(found)
        outwards = self._is_outwards(packet)
        allowed = packet.prefix == ALLOWED_PREFIX
        deciding = judged.egress if outwards else judged.ingress
        denying = _isolating(deciding) if packet.prefix != CLOSED_PREFIX and not allowed else ()
        moment = datetime.fromtimestamp(packet.time or now, UTC)
        original, service = self._translated(packet)
        return Flow(
            time=moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            verdict=record.FORWARDED if allowed else record.DROPPED,
            node_name=self.node,
            addresses=Addresses(str(found.source), str(found.destination), f"IPv{found.source.version}"),
            source=self.endpoint(found.source),
            destination=self.endpoint(found.destination),
            l4=l4(found),
            type=record.CONNECTIONS,
            traffic_direction=record.EGRESS if outwards else record.INGRESS,
            drop_reason_desc="" if allowed else _reason(packet.prefix),
            destination_service=service,
            original_destination=original,
            egress_allowed_by=_admitting(judged.egress),
            ingress_allowed_by=_admitting(judged.ingress),
            egress_denied_by=denying if outwards else (),
            ingress_denied_by=() if outwards else denying,
            summary=_summary(packet.prefix, denying, judged, deciding),
        )

    def endpoint(self, address: IPAddress) -> Endpoint:
        """The pod at an address; an empty one where this node knows none."""
        bearer = self.view.bearer(address)
        if bearer is None:
            return Endpoint()
        pod = self._pods.get(bearer.key)
        labels = dict(pod.metadata.labels) if pod is not None else dict(self.view.peer_labels(address))
        owners = pod.metadata.owner_references if pod is not None else ()
        return Endpoint(
            bearer.key.namespace,
            tuple(f"k8s:{key}={labels[key]}" for key in sorted(labels)[:LABELS]),
            bearer.key.name,
            (workload(bearer.key.name, labels, owners),),
        )

    def subject(self, flow: Flow) -> Pod | None:
        """The pod of this node whose policies decided; None where it is gone."""
        end = flow.source if flow.traffic_direction == record.EGRESS else flow.destination
        return self._pods.get(NamespacedName(end.namespace, end.pod_name))

    def _judged(self, found: Headers) -> Verdict:
        source, destination = self.view.party(found.source), self.view.party(found.destination)
        return verdict(self.view, source, destination, _NAMES.get(found.protocol, ""), found.port)

    def _is_outwards(self, packet: LoggedPacket) -> bool:
        """Whether the source's policies decided: those of a pod of this node, before the destination's."""
        if packet.prefix in {CLOSED_PREFIX, ALLOWED_PREFIX}:
            return self.view.link(packet.headers.source) is not None
        return packet.prefix == EGRESS_PREFIX

    def _translated(self, packet: LoggedPacket) -> tuple[OriginalDestination | None, ServiceName | None]:
        if packet.original is None:
            return None, None
        address, port = packet.original
        if (address, port) == (packet.headers.destination, packet.headers.port):
            return None, None
        owner = self._services.owner(address)
        service = ServiceName(owner.name, owner.namespace) if owner is not None else None
        return OriginalDestination(str(address), port or 0), service


def l4(found: Headers) -> L4:
    """The protocol with its ports."""
    ports = L4Ports(found.source_port or 0, found.port or 0)
    match _NAMES.get(found.protocol) or _ICMP.get(found.protocol):
        case "TCP":
            return L4(tcp=ports)
        case "UDP":
            return L4(udp=ports)
        case "SCTP":
            return L4(sctp=ports)
        case "ICMPv4":
            return L4(icmp4={})
        case "ICMPv6":
            return L4(icmp6={})
        case _:
            return L4()


def _isolating(judged: Judgement) -> tuple[PolicyReference, ...]:
    """The policies to blame; none where their rules admit by now, as they have changed since the packet came."""
    if judged.allowed:
        return ()
    if judged.decided_by is not None:
        return (_cluster_reference(judged.decided_by),)
    return tuple(PolicyReference(key.name, key.namespace) for key in judged.isolated_by)


def _admitting(judged: Judgement) -> tuple[PolicyReference, ...]:
    if judged.decided_by is not None:
        return (_cluster_reference(judged.decided_by),) if judged.allowed else ()
    return tuple(map(_reference, judged.admitted_by))


def _reference(rule: RuleReference) -> PolicyReference:
    text = f"{rule.direction.value}[{rule.index}]"
    return PolicyReference(rule.policy.name, rule.policy.namespace, rule=text)


def _cluster_reference(rule: TierReference) -> PolicyReference:
    text = f"{rule.direction.value}[{rule.index}]"
    return PolicyReference(rule.policy, kind=CLUSTER_POLICY, rule=text)


def _reason(prefix: str) -> str:
    return record.INVALID_IDENTITY if prefix == CLOSED_PREFIX else record.POLICY_DENIED


def _summary(prefix: str, denying: tuple[PolicyReference, ...], judged: Verdict, deciding: Judgement) -> str:
    if prefix == ALLOWED_PREFIX:
        rules = ", ".join(
            f"{_name(one)} {one.rule}" for end in (judged.egress, judged.ingress) for one in _admitting(end)
        )
        return f"admitted by {rules}" if rules else judged.exempt or "no policy isolates"
    if prefix == CLOSED_PREFIX:
        return "closed: no rule knows this pod yet"
    if deciding.unknown:
        return f"closed: the other end is a pod that this node does not know yet, and a {CLUSTER_POLICY} denies pods"
    if not denying:
        return "dropped by rules that have changed since"
    if denying[0].name == default_deny.NAME:
        return f"dropped by {default_deny.NAME}: no policy allows it"
    if denying[0].kind == CLUSTER_POLICY:
        return f"dropped by {CLUSTER_POLICY} {denying[0].name} {denying[0].rule}: it denies"
    names = ", ".join(map(_name, denying))
    return f"dropped by isolation of {'policy' if len(denying) == 1 else 'policies'} {names}: no rule admits"


def _name(one: PolicyReference) -> str:
    return f"{one.namespace}/{one.name}" if one.namespace else one.name
