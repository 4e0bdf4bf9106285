"""The listeners of a node's Envoy, which connections are led to by the rules of redirection.

    outbound     a pod of this node to a pod of another one    -> TLS to the other node
    inbound      plain text to an enrolled pod of this node    -> inside
    inbound-tls  TLS of another node's Envoy                   -> inside-tls; plain text all the same: without identity
    inside, inside-tls   inside Envoy: the client's identity is known, policies decide -> the pod
    leg          inside Envoy: a request of a routed connection to the endpoint that was chosen for it
    self         inside Envoy: the same where the endpoint is the client
    opened, opened-tls   inside Envoy: the last hop of a request's connection, which is open when the pod's is

An identity is known by the address of a client of this node, which no pod can forge, and by the certificate of others.
Whatever no chain takes is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from podwire.edge.envoy.message import resource, transport_socket
from podwire.edge.xds.resource import CLUSTER, LISTENER, Resource
from podwire.kube.addresses import IPAddress
from podwire.mesh.envoy import access_log, filter_state, golden_metrics, matching, mutual_tls, opened, pods
from podwire.mesh.envoy.connection_chain import chain, connection_proxy, refusal
from podwire.mesh.envoy.inside import INSIDE, INSIDE_TLS, LEG, SELF
from podwire.mesh.envoy.inside_listeners import inside_listener, opened_listener, self_listener
from podwire.mesh.envoy.listener import internal, listener, listener_resource, original_source, tls_inspector
from podwire.mesh.envoy.matching import REFUSED
from podwire.mesh.envoy.node_workloads import NodeWorkloads
from podwire.mesh.envoy.on_demand_certificate import SECRET_KEY
from podwire.mesh.identity.certificate import TRUST_BUNDLE
from podwire.mesh.identity.spiffe import Spiffe
from podwire.redirection.capture import INBOUND_PORT, INBOUND_TLS_PORT, OUTBOUND_PORT

OUTBOUND, INBOUND, INBOUND_TLS = "mesh-outbound", "mesh-inbound", "mesh-inbound-tls"

UNKNOWN, PLAIN = "unknown", "plain"
_NO_EARLY_DATA = {"value": 0}
_ADDRESSES = {
    filter_state.LOCAL_ADDRESS: filter_state.SERVER,
    filter_state.REMOTE_ADDRESS: filter_state.CLIENT,
}
_CLIENT = {filter_state.SOURCE_ADDRESS: filter_state.CLIENT_HOST}


def listeners(node: NodeWorkloads, versions: Sequence[int]) -> tuple[Resource, ...]:
    """Return all listeners; `versions` are the IP versions that the node has."""
    return (
        _outbound(node, versions),
        _inbound(node, versions),
        _inbound_tls(node, versions),
        inside_listener(INSIDE, pods.PODS, node),
        inside_listener(INSIDE_TLS, pods.PODS_OF_TLS, node),
        _leg(node),
        self_listener(),
        opened_listener(opened.OPENED, pods.PODS),
        opened_listener(opened.OPENED_TLS, pods.PODS_OF_TLS),
    )


def _outbound(node: NodeWorkloads, versions: Sequence[int]) -> Resource:
    made = listener(OUTBOUND, OUTBOUND_PORT, versions)
    made.listener_filters.append(original_source())
    made.filter_chain_matcher.CopyFrom(matching.by_destination(_peer_choices(node), matching.chain(REFUSED)))
    made.filter_chains.extend((refusal(), *_peer_chains(node)))
    return listener_resource(made, pods.PEERS)


def _peer_choices(node: NodeWorkloads) -> dict[str, Any]:
    return {str(address): matching.chain(str(identity)) for address, identity in node.addresses(node.peers)}


def _peer_chains(node: NodeWorkloads, states: Mapping[str, str] = {}) -> Iterator[Any]:
    """Yield a chain for each identity of peers: to the pod by TLS."""
    for identity in _identities(node, node.peers):
        found = {
            filter_state.DESTINATION: filter_state.SERVER,
            filter_state.SERVER_NAMES: str(identity),
            SECRET_KEY: filter_state.CLIENT_HOST,
            **states,
        }
        proxy = connection_proxy(pods.PEERS, access_log.OUTBOUND, golden_metrics.TO_PEERS)
        yield chain(str(identity), filter_state.on_connection(found), proxy)


def _inbound(node: NodeWorkloads, versions: Sequence[int]) -> Resource:
    made = listener(INBOUND, INBOUND_PORT, versions)
    made.filter_chain_matcher.CopyFrom(_plain_choices(node, matching.nested(_by_client(node, _clients(node)))))
    made.filter_chains.extend((refusal(golden_metrics.FROM_NODE), *_client_chains(node)))
    return listener_resource(made, INSIDE)


def _plain_choices(node: NodeWorkloads, everyone: Any) -> Any:
    """Return who may send plain text: everyone, and to strict pods or ports the enrolled pods of this node.

    Pods of one mode share a choice: each has all clients in it.
    """
    clients = node.addresses(node.enrolled)
    own = {str(address): matching.chain(_client(str(identity))) for address, identity in clients}
    enrolled = matching.nested(matching.by_source(own, matching.chain(REFUSED)))
    modes: dict[tuple[bool, tuple[tuple[int, bool], ...]], list[str]] = {}
    for one in node.enrolled:
        is_strict, ports = node.transport.modes(one)
        if is_strict or any(ports.values()):
            modes.setdefault((is_strict, tuple(sorted(ports.items()))), []).extend(map(str, one.addresses))
    choices = []
    for (is_strict, by_number), addresses in modes.items():
        by_port = {str(port): enrolled if strict else everyone for port, strict in by_number}
        rest = enrolled if is_strict else everyone
        choices.append((addresses, matching.nested(matching.by_port(by_port, rest)) if by_port else rest))
    return matching.by_destinations(choices, everyone)


def _clients(node: NodeWorkloads) -> dict[str, Any]:
    clients = node.addresses(node.pods)
    return {str(address): matching.chain(_client(str(identity))) for address, identity in clients}


def _by_client(node: NodeWorkloads, clients: Mapping[str, Any]) -> Any:
    return matching.by_source({**clients, **_refused(node.doubtful)}, matching.chain(UNKNOWN))


def _refused(addresses: Iterable[IPAddress]) -> dict[str, Any]:
    return {str(one): matching.chain(REFUSED) for one in sorted(addresses, key=str)}


def _client_chains(node: NodeWorkloads, to_pod: str = "") -> Iterator[Any]:
    """Yield a chain for each identity of clients of this node, and one for those without: to `inside`.

    `to_pod`: the cluster by which the connection goes to its pod from there.
    """
    names = {UNKNOWN: "", **{_client(str(one)): str(one) for one in _identities(node, node.pods)}}
    for name, identity in names.items():
        yield _client_chain(name, identity, INSIDE, to_pod)


def _client_chain(name: str, identity: str, cluster: str, to_pod: str = "") -> Any:
    known = {filter_state.SOURCE_IDENTITY: identity, **_CLIENT}
    states = {**_ADDRESSES, **(known if identity else {}), **_to_pod(to_pod)}
    return chain(name, filter_state.on_connection(states), connection_proxy(cluster))


def _client(identity: str) -> str:
    return f"client {identity}"


def _leg(node: NodeWorkloads) -> Resource:
    """Return the listener inside Envoy that a request's connection to its endpoint enters, as if the client opened it.

    What comes next is that of connections without routes: TLS to a peer, policies and the pod, or the pod alone.
    """
    made = internal(LEG)
    made.filter_chain_matcher.CopyFrom(_leg_choices(node))
    states = {filter_state.DESTINATION: filter_state.SERVER, filter_state.PROXIED_TO: opened.TO_POD}
    to_others = connection_proxy(pods.PODS, access_log.OUTBOUND, golden_metrics.TO_OTHERS)
    plain = chain(PLAIN, filter_state.on_connection(states), to_others)
    to_self = filter_state.on_connection({**_ADDRESSES, **_CLIENT, **_to_pod(opened.TO_POD)})
    own = chain(SELF, to_self, connection_proxy(SELF))
    peers = _peer_chains(node, {filter_state.PROXIED_TO: opened.TO_PEERS})
    made.filter_chains.extend((refusal(), *peers, *_client_chains(node, opened.TO_POD), plain, own))
    requires = tuple((CLUSTER, one) for one in (pods.PEERS, INSIDE, pods.PODS, SELF))
    return resource(LISTENER, made.name, made, requires=requires)


def _leg_choices(node: NodeWorkloads) -> Any:
    """Return the choices by both addresses. The clients are there once, not for each pod that they may connect to."""
    enrolled = [str(address) for address, _ in node.addresses(node.enrolled)]
    clients = _clients(node)
    own = {one: matching.nested(matching.by_destination({one: matching.chain(SELF)}, clients[one])) for one in enrolled}
    by_client = matching.nested(_by_client(node, {**clients, **own}))
    others = matching.by_destination({**_peer_choices(node), **_refused(node.doubtful)}, matching.chain(PLAIN))
    return matching.by_destinations([(enrolled, by_client)] if enrolled else [], matching.nested(others))


def _inbound_tls(node: NodeWorkloads, versions: Sequence[int]) -> Resource:
    """Return the listener for connections whose source port is one of other Envoys.

    A request that was routed to a pod is in plain text until its client's node knows that the pod's node redirects.
    """
    made = listener(INBOUND_TLS, INBOUND_TLS_PORT, versions)
    made.listener_filters.append(tls_inspector())
    requests = matching.nested(_by_server(node, _requests))
    tls = matching.nested(
        matching.by_application({f"'{pods.REQUESTS}'": requests}, matching.nested(_by_server(node, str)))
    )
    plain = matching.nested(_plain_choices(node, matching.chain(UNKNOWN)))  # an address from outside is no identity
    made.filter_chain_matcher.CopyFrom(matching.by_protocol({"tls": tls}, plain))
    made.filter_chains.extend((refusal(golden_metrics.FROM_PEERS), _client_chain(UNKNOWN, "", INSIDE_TLS)))
    secrets = [TRUST_BUNDLE]
    for identity in _identities(node, node.enrolled):
        made.filter_chains.append(_server_chain(node, str(identity), identity, ""))
        made.filter_chains.append(_server_chain(node, _requests(identity), identity, opened.OPENED_TLS))
        secrets.append(str(identity))
    return listener_resource(made, INSIDE_TLS, secrets)


def _by_server(node: NodeWorkloads, name: Callable[[Spiffe], str]) -> Any:
    choices = {str(address): matching.chain(name(identity)) for address, identity in node.addresses(node.enrolled)}
    return matching.by_destination(choices, matching.chain(REFUSED))


def _requests(identity: Spiffe) -> str:
    return f"requests {identity}"


def _server_chain(node: NodeWorkloads, name: str, identity: Spiffe, to_pod: str) -> Any:
    at_once = {**_ADDRESSES, **_CLIENT, **_to_pod(to_pod)}
    states = filter_state.on_handshake({filter_state.SOURCE_IDENTITY: filter_state.PEER_IDENTITY}, at_once)
    proxy = connection_proxy(
        INSIDE_TLS, upstream_connect_mode="ON_DOWNSTREAM_TLS_HANDSHAKE", max_early_data_bytes=_NO_EARLY_DATA
    )
    made = chain(name, states, proxy)
    made.transport_socket.CopyFrom(transport_socket(mutual_tls.server(node.trust_domain, identity)))
    return made


def _to_pod(cluster: str) -> dict[str, str]:
    return {filter_state.TO_POD: cluster} if cluster else {}


def _identities(node: NodeWorkloads, workloads: Sequence[Any]) -> Iterator[Spiffe]:
    yield from sorted({node.identity(one) for one in workloads})
