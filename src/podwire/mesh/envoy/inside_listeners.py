"""The listeners inside Envoy where policies decide on connections to the pods of the node, and the last hop to them."""

from __future__ import annotations

import hashlib
from typing import Any

from envoy.config.listener.v3 import listener_components_pb2

from podwire.edge.xds.resource import Resource
from podwire.mesh.authorization.decision import needs_requests
from podwire.mesh.envoy import access_log, filter_state, golden_metrics, matching, opened, pods
from podwire.mesh.envoy.connection_chain import chain, connection_proxy, refusal
from podwire.mesh.envoy.connection_match import audited_match, connection_match
from podwire.mesh.envoy.inside import INSIDE_TLS, SELF
from podwire.mesh.envoy.listener import internal, listener_resource, original_destination
from podwire.mesh.envoy.matching import REFUSED
from podwire.mesh.envoy.node_workloads import NodeWorkloads
from podwire.mesh.envoy.request_chain import request_chain
from podwire.mesh.model.workload import Workload

POD = "pod"
_BROUGHT = f"%FILTER_STATE({filter_state.TO_POD}:PLAIN)%"


def inside_listener(name: str, cluster: str, node: NodeWorkloads) -> Resource:
    """Return a listener inside Envoy. It has the addresses of the client's connection, and so decides by them.

    Each pod has chains of its own, named for what decides there: where a policy changes, Envoy ends the connections
    that were admitted before, after the time for which it drains chains that are gone.
    """
    chains: dict[str, Any] = {}
    choices: dict[str, Any] = {}
    for one in node.enrolled:
        choices.update(dict.fromkeys(map(str, one.addresses), _decided(node, one, cluster, chains)))
    made = internal(name)
    made.filter_chain_matcher.CopyFrom(matching.by_destination(choices, matching.chain(REFUSED)))
    counted = golden_metrics.FROM_PEERS if name == INSIDE_TLS else golden_metrics.FROM_NODE
    made.filter_chains.extend((refusal(counted), *(chains[one] for one in sorted(chains))))
    return listener_resource(made, cluster)


def _decided(node: NodeWorkloads, one: Workload, cluster: str, chains: dict[str, Any]) -> Any:
    """Return what becomes of connections to a pod; its chains are added."""
    policies = node.authorization.policies_of(one)
    admitted = connection_match(policies, None, matching.chain(POD), matching.chain(REFUSED))
    name = f"{POD} {one.key} {_digest(admitted, node.transport.modes(one))}"

    def allowed(rule: str) -> Any:
        audited = f"{name} audit {rule}" if rule else name
        chains[audited] = _pod_chain(audited, cluster, rule)
        return matching.chain(audited)

    def denied(rule: str) -> Any:
        if rule:
            chains[f"{REFUSED} audit {rule}"] = refusal(_counted(cluster), rule)
        return matching.chain(f"{REFUSED} audit {rule}" if rule else REFUSED)

    otherwise = audited_match(policies, None, allowed, denied)
    if not policies:
        return otherwise
    read = {port for port in node.authorization.http_ports(one) if needs_requests(policies, port)}
    if not read:
        return otherwise
    by_port = {}
    for port in sorted(read):
        tokens = node.authorization.tokens_of(one)
        made = request_chain(policies, tokens, port, cluster, access_log.INBOUND, _counted(cluster))
        made.name = f"{name} {made.name}"
        chains[made.name] = made
        of_request = listener_components_pb2.FilterChain.FromString(made.SerializeToString())
        of_request.name = f"{made.name} opened"
        of_request.transport_socket.CopyFrom(opened.server())
        chains[of_request.name] = of_request
        opened_by = {one: matching.chain(of_request.name) for one in (opened.OPENED, opened.OPENED_TLS)}
        read_by = matching.nested(matching.by_state(filter_state.TO_POD, opened_by, matching.chain(made.name)))
        by_port[str(port)] = connection_match(policies, port, read_by, matching.chain(REFUSED))
    return matching.nested(matching.by_port(by_port, otherwise))


def _pod_chain(name: str, cluster: str, rule: str = "") -> Any:
    """Return a chain to the pod: by this cluster, or by the one that the connection has brought with it.

    `rule`: of an AUDIT policy, which matches.
    """
    states = {filter_state.DESTINATION: filter_state.SERVER, filter_state.PROXIED_TO: _BROUGHT}
    proxy = connection_proxy(cluster, access_log.audited(access_log.INBOUND, rule), _counted(cluster))
    return chain(name, filter_state.on_connection(states), proxy)


def self_listener() -> Resource:
    """Return the listener for requests of a pod to itself. They come from the node: a pod drops its own address."""
    made = internal(SELF, original_destination())
    choices = {opened.OPENED: matching.chain(opened.OPENED)}
    made.filter_chain_matcher.CopyFrom(matching.by_state(filter_state.TO_POD, choices, matching.chain(POD)))
    states = filter_state.on_connection({filter_state.DESTINATION: filter_state.SERVER})
    for name in (POD, opened.OPENED):
        proxy = connection_proxy(pods.PODS, access_log.INBOUND, golden_metrics.FROM_NODE)
        made.filter_chains.append(chain(name, states, proxy))
    made.filter_chains[-1].transport_socket.CopyFrom(opened.server())
    return listener_resource(made, pods.PODS, (opened.SECRET_NAME,))


def opened_listener(name: str, cluster: str) -> Resource:
    """Return the listener where the handshake of `opened` ends: it is answered once the pod is connected."""
    made = internal(name)
    states = filter_state.on_connection({filter_state.DESTINATION: filter_state.SERVER})
    one = chain(POD, states, connection_proxy(cluster))
    one.transport_socket.CopyFrom(opened.server())
    made.filter_chains.append(one)
    return listener_resource(made, cluster, (opened.SECRET_NAME,))


def _counted(cluster: str) -> golden_metrics.Tags:
    return golden_metrics.FROM_PEERS if cluster == pods.PODS_OF_TLS else golden_metrics.FROM_NODE


def _digest(match: Any, modes: object) -> str:
    """Return a text that differs where other connections are admitted."""
    content = match.SerializeToString(deterministic=True) + repr(modes).encode()
    return hashlib.blake2b(content, digest_size=8).hexdigest()
