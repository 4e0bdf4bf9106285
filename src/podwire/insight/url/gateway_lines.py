"""The first steps of a request: the name, the Gateway and its listeners. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.owners import owner
from podwire.insight.url import gateways
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.passage import Passage
from podwire.insight.url.question import OUTSIDE, Question
from podwire.insight.url.report import DnsLine, GatewayLine, ListenerLine
from podwire.insight.url.served import Served


def dns_line(question: Question, gateway: Gateway | None, objects: UrlObjects) -> DnsLine:
    """Return what a resolver has to answer. The cluster's DNS has the names of Services, and no others."""
    if question.is_address:
        return DnsLine(question.host, (question.host,), "an address: no name is looked up")
    service = gateways.cluster_name(question, objects.edge)
    if service is not None:
        text = "a name that only pods can look up" if question.client == OUTSIDE else "a name of the cluster's DNS"
        return DnsLine(question.host, service.addresses, text)
    addresses = gateways.addresses(gateway) if gateway is not None else ()
    text = "not a name of the cluster: the DNS of its domain must answer"
    return DnsLine(question.host, addresses, f"{text} {' or '.join(addresses) or 'the address of a Gateway'}")


def gateway_line(gateway: Gateway, objects: UrlObjects) -> GatewayLine:
    """Return the Gateway with its addresses and the Envoys that are ready."""
    service = gateways.service_of(gateway, objects.edge)
    ready = [one for one in gateways.envoys(gateway, objects.pods) if one.ready]
    return GatewayLine(
        str(gateway.key),
        gateway.spec.gateway_class_name,
        gateways.addresses(gateway),
        str(service.key) if service is not None else "",
        () if objects.is_planned else tuple(f"{one.key} on {one.spec.node_name}" for one in ready),
        objects.places.get(owner("Gateway", gateway.key), ""),
    )


def listener_lines(question: Question, gateway: Served, way: Passage) -> Iterator[ListenerLine]:
    """Yield the Gateway's listeners, each with whether the request comes to it."""
    for state in gateway.states:
        certificates = ", ".join(state.tls.certificates) if state.tls is not None else ""
        yield ListenerLine(
            state.name, state.protocol, state.port, state.hostname, certificates,
            _result(question, state, way), state == way.state,
        )  # fmt: skip


def _result(question: Question, state: ListenerState, way: Passage) -> str:
    if state == way.state:
        return "taken"
    if not state.is_usable:
        problem = state.problem("Accepted") or state.problem("ResolvedRefs")
        return f"not in use: {problem.reason if problem is not None else 'it has no certificate'}"
    if state.port != question.port:
        return "another port"
    if state.protocol == "UDP" or (state.protocol != "TCP" and (state.protocol != "HTTP") is not question.is_tls):
        return f"the client does not speak {state.protocol}"
    return f"{'another' if way.state is None else 'a less fitting'} hostname"
