"""The connections on the way of a request, and whether NetworkPolicies allow them, by the agents' own model. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from podwire.insight.answer_form import Verdict as Answer
from podwire.insight.mesh_policies.report import MeshLine
from podwire.insight.snapshot.workload import owner_of
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.question import OUTSIDE, Question, is_address
from podwire.insight.url.report import BackendLine, PolicyLine
from podwire.kube import cluster_dns
from podwire.kube.addresses import parsed
from podwire.kube.core import Pod
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change
from podwire.policy.default_deny import DEFAULT_DENY
from podwire.policy.model import Direction, Party
from podwire.policy.verdict import Judgement, TierReference, Verdict, verdict
from podwire.policy.view import View

NO_NODE = "-"
"""No pod is attached here: addresses are those of the pods' status. No node can have this name."""


class End(msgspec.Struct, frozen=True):
    """One end of a connection, with the name that it has in answers."""

    name: str
    party: Party


class Connection(msgspec.Struct, frozen=True):
    """A connection with the policies of both ends; `mesh`: of one to an enrolled pod, where the mesh has policies."""

    source: End
    destination: End
    protocol: str
    port: int
    verdict: Verdict
    mesh: MeshLine | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether it is not refused: by NetworkPolicies and those around them, or by the mesh."""
        return self.verdict.allowed and (self.mesh is None or self.mesh.verdict is not Answer.NOT_ALLOWED)

    @property
    def is_undecidable(self) -> bool:
        """Whether the mesh's policies decide, by what is not known here."""
        return self.verdict.allowed and self.mesh is not None and self.mesh.verdict is Answer.UNDECIDABLE

    @property
    def denied(self) -> Iterator[tuple[Direction, tuple[NamespacedName, ...], TierReference | None]]:
        """Each direction in which it may not be: the policies that isolate that end, the rule of a tier that denies."""
        for direction, found in ((Direction.EGRESS, self.verdict.egress), (Direction.INGRESS, self.verdict.ingress)):
            if not found.allowed:
                yield direction, found.isolated_by, found.decided_by


def lines(found: Iterable[Connection], objects: UrlObjects) -> tuple[PolicyLine, ...]:
    """Return what of connections is shown, equal ones once."""
    workloads = {str(one.key): str(owner_of(one).key) for one in objects.pods}
    return tuple(
        dict.fromkeys(
            PolicyLine(
                one.source.name,
                f"{one.destination.name} {one.protocol} {one.port}",
                one.is_allowed and not one.is_undecidable,
                "; ".join((*_reasons(one.verdict), *_of_mesh(one))),
                workloads.get(one.source.name, one.source.name),
                f"{workloads.get(one.destination.name, one.destination.name)} {one.protocol} {one.port}",
                one.is_undecidable,
            )
            for one in found
        )
    )


def view_of(objects: UrlObjects) -> View:
    """Return all pods, namespaces and policies as policies see them."""
    view = View(NO_NODE, DEFAULT_DENY if objects.default_deny else ())
    for namespace in objects.edge.namespaces.values():
        view.namespace_changed(Change(None, namespace))
    for policy in objects.policies:
        view.policy_changed(Change(None, policy))
    for tier in objects.cluster_policies:
        view.cluster_policy_changed(Change(None, tier))
    for node in objects.nodes:
        view.tiers.node_changed(Change(None, node))
    for pod in objects.pods:
        view.pod_changed(Change(None, pod))
    return view


def clients(question: Question, objects: UrlObjects) -> tuple[Pod, ...]:
    """Return the pods that the client names, by their name or that of their workload; none for other clients."""
    if question.client == OUTSIDE or is_address(question.client):
        return ()
    namespace, _, name = question.client.partition("/")
    pods = [one for one in objects.pods if one.metadata.namespace == namespace and not one.finished]
    exact = [one for one in pods if one.metadata.name == name]
    return tuple(exact or [one for one in pods if name in _workloads(one)])


def is_egress_restricted(pod: Pod, view: View) -> bool:
    """Whether a NetworkPolicy, or a ClusterNetworkPolicy with egress rules, selects the pod."""
    found = _pod_end(pod, view).party.identity if pod.addresses else None
    if found is None:
        return False
    tiers = view.tiers.selecting(found)
    return bool(view.selecting(found, Direction.EGRESS)) or any(one.rules(Direction.EGRESS) for one in tiers)


def to_gateway(
    question: Question, envoys: Iterable[Pod], port: int, local: bool, objects: UrlObjects, view: View
) -> Iterator[Connection]:
    """Yield the connections to the Envoys. `local`: the client's address is kept, as externalTrafficPolicy is Local."""
    pods = clients(question, objects)
    for envoy in envoys:
        for source in _pod_ends(pods, view) if pods else _outside_ends(question, local, envoy, objects):
            yield from _between(source, _pod_end(envoy, view), "TCP", port, view)


def to_dns(question: Question, objects: UrlObjects, view: View) -> Iterator[Connection]:
    """Yield the connections of a pod to the cluster's DNS; none where no name is looked up."""
    if question.is_address:
        return
    servers = [one for one in objects.pods if cluster_dns.is_dns(one.metadata.labels)]
    for source in _pod_ends(clients(question, objects), view):
        for server in servers:
            yield from _between(source, _pod_end(server, view), "UDP", 53, view)


def to_endpoints(envoys: Iterable[Pod], line: BackendLine, view: View) -> Iterator[Connection]:
    """Yield the connections of Envoys to the endpoints of a backend that are used."""
    for endpoint in line.endpoints:
        address, _, port = endpoint.address.rpartition(":")
        found = parsed(address.strip("[]"))
        if found is None or not endpoint.is_used:
            continue
        destination = End(endpoint.pod or address, view.party(found))
        for envoy in envoys:
            yield from _between(_pod_end(envoy, view), destination, "TCP", int(port), view)


def _between(source: End, destination: End, protocol: str, port: int, view: View) -> Iterator[Connection]:
    if source.party.address.version == destination.party.address.version:
        judged = verdict(view, source.party, destination.party, protocol, port)
        yield Connection(source, destination, protocol, port, judged)


def _pod_ends(pods: Iterable[Pod], view: View) -> Iterator[End]:
    return (_pod_end(one, view) for one in pods if one.addresses)


def _pod_end(pod: Pod, view: View) -> End:
    address = parsed(pod.addresses[0]) if pod.addresses else None
    assert address is not None, "only pods with an address are ends of connections"
    return End(str(pod.key), view.party(address))


def _outside_ends(question: Question, local: bool, envoy: Pod, objects: UrlObjects) -> Iterator[End]:
    """A client from outside as it comes to the Envoy's own node; then the others, where these may forward it."""
    given = (question.client,) if is_address(question.client) else objects.outside
    nodes = {address: one.metadata.name for one in objects.nodes for address in one.internal_addresses}
    for one in map(parsed, given):
        if one is not None:
            yield End(question.client, Party(one, node=nodes.get(str(one), "")))
    for node in () if local else objects.nodes:
        name = node.metadata.name
        for address in map(parsed, node.internal_addresses):
            if address is not None and name != envoy.spec.node_name:
                yield End(f"{question.client} through {name}", Party(address, node=name))


def _workloads(pod: Pod) -> Iterator[str]:
    """The names of a pod's workloads: of a ReplicaSet that a Deployment made, the Deployment's too."""
    for one in pod.metadata.owner_references:
        yield one.name
        if one.kind == "ReplicaSet":
            yield one.name.rpartition("-")[0]


def _of_mesh(one: Connection) -> Iterator[str]:
    if one.mesh is not None:
        yield f"mesh: {one.mesh.text} ({one.mesh.transport})"


def _reasons(found: Verdict) -> Iterator[str]:
    if found.exempt:
        yield found.exempt
        return
    named = (("egress", found.egress), ("ingress", found.ingress))
    parts = [text for direction, one in named for text in _judged(direction, one)]
    yield from parts or ["no policy applies"]


def _judged(direction: str, found: Judgement) -> Iterator[str]:
    """A policy admits the connection or does not; none of them denies it."""
    if found.decided_by is not None:
        does = "accepts" if found.allowed else "denies"
        yield f"ClusterNetworkPolicy {found.decided_by} {does} it"
        return
    admitting = {one.policy for one in found.admitted_by}
    for rule in found.admitted_by:
        yield f"{rule.policy} admits it (spec.{direction}[{rule.index}])"
    for policy in found.isolated_by:
        if policy not in admitting:
            yield f"{policy} does not admit it ({direction})"
