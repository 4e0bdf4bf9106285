"""Why a request fails, or may fail, and what to do about each. Pure.

A constant names each kind for programs; docs/reference/explain.md describes all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podwire.edge.gateway.gateway_problems import gateway_problems, unusable_addresses
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.owners import AnyRoute
from podwire.edge.gateway.serving import Route
from podwire.edge.model.tls import ClientValidation
from podwire.insight.answer_form import Verdict
from podwire.insight.mesh_policies.report import MeshLine
from podwire.insight.service.report import Finding, Severity
from podwire.insight.snapshot.snapshot import WARNED
from podwire.insight.url import gateways
from podwire.insight.url.connections import Connection
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.passage import Passage
from podwire.insight.url.question import Question
from podwire.insight.url.report import BackendLine
from podwire.insight.url.route_lines import owner_of
from podwire.insight.url.served import Served
from podwire.kube.hostnames import contains
from podwire.kube.meta import Condition, NamespacedName
from podwire.policy.model import Direction, Party
from podwire.policy.verdict import TierReference

ALL = 99.5
"""Percent from which a share is all requests, whatever was rounded."""
ATTACHMENT_REMEDIES = {
    "NoMatchingParent": "Correct sectionName and port of the parentRef, or leave them out.",
    "NotAllowedByListeners": "Set allowedRoutes.namespaces and allowedRoutes.kinds of the listener.",
    "NoMatchingListenerHostname": "Use a hostname that the listener has, or change the listener's hostname.",
}


def split(severity: Severity, reason: str, message: str) -> Finding:
    """Return a finding from a message of a condition: what comes after its last colon is the remedy."""
    text, colon, remedy = message.rpartition(": ")
    if not colon:
        return Finding(severity, reason, message)
    return Finding(severity, reason, f"{text}.", f"{remedy[:1].upper()}{remedy[1:].rstrip('.')}.")


def of_no_gateway(question: Question, objects: UrlObjects) -> Iterator[Finding]:
    """Why no Gateway gets the request."""
    for key, gateway in sorted(objects.edge.gateways.items()):
        if objects.edge.is_ours(gateway):
            continue
        name, found = gateway.spec.gateway_class_name, objects.edge.class_of(gateway)
        if found is None:
            text = f"Gateway {key}: GatewayClass {name} does not exist."
            yield Finding(Severity.ERROR, "GatewayClassMissing", text, "Set spec.gatewayClassName to podwire.")
        else:
            text = f"Gateway {key} is of class {name}, which belongs to controller {found.spec.controller_name}."
            yield Finding(Severity.NOTE, "OtherController", text, "Use class podwire, or ask that controller.")
    if question.gateway:
        text = f"There is no Gateway {question.gateway} of podwire."
        yield Finding(Severity.ERROR, "NoGateway", text, "Correct --gateway, or leave it out.")
    elif not any(map(objects.edge.is_ours, objects.edge.gateways.values())):
        text = "There is no Gateway of podwire: nothing gets the request."
        yield Finding(Severity.ERROR, "NoGateway", text, "Create a Gateway with gatewayClassName: podwire.")
    else:
        text = f"No Gateway has the address or name {question.host}."
        yield Finding(Severity.ERROR, "NoGateway", text, "Use an address of 'kubectl get gateway -A', or a hostname.")


def of_gateway(gateway: Gateway, objects: UrlObjects, others: Iterable[object]) -> Iterator[Finding]:
    """What is not in order about the Gateway itself."""
    names = ", ".join(map(str, others))
    if names:
        text = f"Gateway {gateway.key} is explained; {names} would take the request too: DNS decides."
        yield Finding(Severity.NOTE, "SeveralGateways", text, "Name one with --gateway NAMESPACE/NAME.")
    found = gateways.addresses(gateway)
    for one in (*gateway_problems(gateway, objects.edge), *(unusable_addresses(gateway, found) if found else ())):
        severity = Severity.WARNING if one.status == "True" else Severity.ERROR
        yield split(severity, one.reason, one.message)
    if objects.is_planned:
        return
    if not found:
        text = f"Gateway {gateway.key} has no address."
        remedy = "See 'podwire explain service' of its Service, and whether a provider of load balancers runs."
        yield Finding(Severity.ERROR, "NoAddress", text, remedy)
    if not any(one.ready for one in gateways.envoys(gateway, objects.pods)):
        text = f"No Envoy of class {gateway.spec.gateway_class_name} is ready."
        yield Finding(Severity.ERROR, "NoEnvoy", text, "See 'kubectl -n podwire-system get pods,events'.")
    yield from _conditions(f"Gateway {gateway.key}", gateway.status.conditions, ("Programmed",))


def of_listeners(gateway: Served, way: Passage, port: int) -> Iterator[Finding]:
    """What is not in order about the listeners of the port, and what the taken one demands of clients."""
    for state in gateway.states:
        if state.port == port and (way.state is None or not state.is_usable or state == way.state):
            for one in state.problems:
                severity = Severity.WARNING if state.is_usable else Severity.ERROR
                yield split(severity, one.reason, f"Listener {state.name}: {one.message}")
    if way.state is None:
        return
    tls = way.state.tls
    if tls is not None and tls.authorities and tls.validation is ClientValidation.REQUIRED:
        text = f"Clients need a certificate that is signed by {tls.authorities}; without one the handshake fails."
        yield Finding(Severity.NOTE, "ClientCertificate", text, "Give curl --cert and --key.")
    status = next((one for one in gateway.gateway.status.listeners if one.name == way.state.name), None)
    if status is not None:
        yield from _conditions(f"Listener {way.state.name}", status.conditions, ("Programmed",))


def of_routes(question: Question, gateway: Served, way: Passage, objects: UrlObjects) -> Iterator[Finding]:
    """Why routes for the host have no share in it, and what of the taken one is left out."""
    for key, found in gateway.attached.items():
        rules, route = gateway.rules[key], objects.edge.routes[key]
        name = f"{key.kind} {key.key}{objects.place(key)}"
        if not _is_for(question.request.host, route):
            continue
        if rules.unsupported:
            yield split(Severity.ERROR, rules.unsupported_reason, f"{name} is not accepted: {rules.unsupported}")
        for one in found:
            if one.reason != "Accepted":
                message = one.message.removesuffix(": see its allowedRoutes")
                text = f"{name}, parentRef {one.reference.name}: {message}."
                yield Finding(Severity.ERROR, one.reason, text, ATTACHMENT_REMEDIES.get(one.reason, ""))
        if rules.dropped:
            yield split(Severity.WARNING, "PartiallyInvalid", f"{name}: {rules.dropped}")
    if way.ends is not None:
        text = way.ends.outcome.text
        yield Finding(Severity.ERROR, way.ends.reason, f"{text[0].upper()}{text[1:]}.", way.ends.remedy)
        yield from _parents(question, gateway, objects)
    if way.name is not None:
        mine = owner_of(way.name)
        route = objects.edge.routes[mine]
        for parent in route.status.parents if isinstance(route, Route) else ():
            if parent.controller_name == objects.edge.controller and not gateway.rules[mine].unsupported:
                yield from _conditions(f"{mine.kind} {mine.key}", parent.conditions, ("Accepted",))


def of_backends(way: Passage, lines: tuple[BackendLine, ...], objects: UrlObjects) -> Iterator[Finding]:
    """Shares of requests that no backend answers."""
    if way.name is None or way.shares is None:
        return
    mine, rule = owner_of(way.name), way.name.rule
    is_stream = way.stream is not None
    where = f"{mine.kind} {mine.key}{objects.place(mine)}"
    if not any(one.weight for one in lines):
        end = "connections are closed" if is_stream else "500"
        text = f"{where}, spec.rules[{rule}]: {'every weight is 0' if lines else 'there is no backend'}: {end}."
        yield Finding(Severity.ERROR, "NoBackend", text, "Give backendRefs with a weight above 0.")
    for one in lines:
        severity = Severity.ERROR if one.percent >= ALL else Severity.WARNING
        if not one.weight:
            continue
        if not one.backend:
            yield split(severity, "BackendNotResolved", f"{where}: {one.text}")
        elif one.status and not one.is_cut_off:
            service = one.backend.rpartition(":")[0]
            end = "connections are closed" if is_stream else "requests are answered by 503"
            text = f"Service {service} has no endpoint that is ready: {one.percent:g} % of the {end}."
            yield Finding(severity, "NoEndpoint", text, f"See 'podwire explain service {service}'.")
        elif not any("terminating" not in each.state for each in one.endpoints if each.is_used):
            text = f"{one.backend}: no endpoint is ready; those that still serve while they terminate are used."
            yield Finding(Severity.WARNING, "OnlyTerminating", text, "Start other pods before the last one ends.")


def of_connections(found: Iterable[Connection]) -> Iterator[Finding]:
    """Connections that no policy admits, once for each port, direction and set of policies."""
    found = tuple(found)
    first = {(denied, one.protocol, one.port): one for one in reversed(found) for denied in one.denied}
    for (denied, _, _), one in reversed(first.items()):
        yield _denied(one, *denied)
    yield from dict.fromkeys(
        _of_mesh(one, one.mesh)
        for one in found
        if one.mesh is not None and one.verdict.allowed and one.mesh.verdict is not Verdict.ALLOWED
    )


def _of_mesh(one: Connection, mesh: MeshLine) -> Finding:
    where = f"{one.source.name} -> {one.destination.name} {one.protocol} {one.port}"
    if mesh.verdict is Verdict.UNDECIDABLE:
        return Finding(Severity.WARNING, "MeshPolicyUndecidable", f"{where}: {mesh.text}.")
    remedy = "Add a rule of an AuthorizationPolicy with action ALLOW that matches it, or narrow the one that denies."
    if mesh.text.startswith("TransportPolicy"):
        remedy = "Enrol the client in the mesh, or set mode: PERMISSIVE for the port."
    return Finding(Severity.ERROR, "MeshPolicyDenies", f"{where}: {mesh.text}.", remedy)


def _denied(
    one: Connection, direction: Direction, policies: tuple[NamespacedName, ...], rule: TierReference | None
) -> Finding:
    if rule is not None:
        text = f"{one.source.name} -> {one.destination.name} {one.protocol} {one.port}: {rule} denies it."
        remedy = "Accept it by a ClusterNetworkPolicy of the same tier with a smaller priority."
        return Finding(Severity.ERROR, "PolicyDenies", text, remedy)
    outwards = direction is Direction.EGRESS
    end, other = (one.source, one.destination) if outwards else (one.destination, one.source)
    where = f"{one.source.name} -> {one.destination.name} {one.protocol} {one.port}"
    several = len(policies) > 1
    names = f"{'NetworkPolicies' if several else 'NetworkPolicy'} {', '.join(map(str, policies))}"
    text = f"{where}: {names} isolate{'' if several else 's'} {end.name}, and no {direction.value} rule admits it."
    word, place = ("to" if outwards else "from"), "one of them" if several else str(policies[0])
    remedy = f"Add an {direction.value} rule to {place}: {word} {_peer(other.party)}, port {one.port}."
    return Finding(Severity.ERROR, "PolicyDenies", text, remedy)


def _peer(party: Party) -> str:
    if party.identity is None:
        return f"ipBlock {party.address}/{party.address.max_prefixlen}"
    return f"namespaceSelector kubernetes.io/metadata.name: {party.identity.namespace}"


def _is_for(host: str, route: AnyRoute) -> bool:
    hostnames = route.spec.hostnames if isinstance(route, Route) else ()
    return not hostnames or any(contains(one.lower(), host) for one in hostnames)


def _parents(question: Question, gateway: Served, objects: UrlObjects) -> Iterator[Finding]:
    """Routes for the host by name whose parents do not exist."""
    for key, route in sorted(objects.edge.routes.items()):
        if key in gateway.attached or not isinstance(route, Route) or not route.spec.hostnames:
            continue
        for index, one in enumerate(route.spec.parent_refs if _is_for(question.request.host, route) else ()):
            parent = one.key(key.namespace)
            known = objects.edge.listener_sets if one.parent_kind == "ListenerSet" else objects.edge.gateways
            if parent not in known:
                where = f"{key.kind} {key.key}{objects.place(key)}, parentRefs[{index}]"
                text = f"{where}: {one.parent_kind} {parent} does not exist."
                yield Finding(Severity.ERROR, "ParentMissing", text, "Create it, or correct name and namespace.")


def _conditions(what: str, found: Iterable[Condition], types: tuple[str, ...]) -> Iterator[Finding]:
    """Conditions that the controller wrote and that are not True: facts that objects alone do not show."""
    for one in found:
        if one.type in types and one.status == "False":
            detail = f": {one.message}" if one.message else ""
            yield Finding(Severity.WARNING, one.reason or one.type, f"{what}: condition {one.type} is False{detail}.")


def of_reading(objects: UrlObjects) -> Iterator[Finding]:
    """What could not be read, or is warnings."""
    for note in objects.snapshot.notes if objects.snapshot is not None else ():
        if note.topic in WARNED:
            yield Finding(Severity.WARNING, note.topic, f"{note.text}.")
    for name in objects.unreadable:
        text = f"This account may not list {name}: what depends on them is not shown."
        yield Finding(
            Severity.NOTE, "NotReadable", text, "Use an account that may, such as the cluster's administrator."
        )
