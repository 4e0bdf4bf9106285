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

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from envoy.config.core.v3 import address_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.listener.original_dst.v3 import original_dst_pb2
from envoy.extensions.filters.listener.original_src.v3 import original_src_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2

from podwire.edge.envoy.cluster import BUFFER_BYTES
from podwire.edge.envoy.message import INVALID_CLUSTER, duration, packed, resource, transport_socket
from podwire.edge.xds.resource import CLUSTER, LISTENER, SECRET, Resource
from podwire.kube.addresses import IPAddress
from podwire.mesh.authorization.decision import needs_requests
from podwire.mesh.envoy import access_log, filter_state, golden_metrics, matching, mutual_tls, opened, pods
from podwire.mesh.envoy.connection_match import audited_match, connection_match
from podwire.mesh.envoy.inside import INSIDE, INSIDE_TLS, LEG, SELF
from podwire.mesh.envoy.matching import REFUSED
from podwire.mesh.envoy.node_workloads import NodeWorkloads
from podwire.mesh.envoy.on_demand_certificate import SECRET_KEY
from podwire.mesh.envoy.request_chain import request_chain
from podwire.mesh.identity.certificate import TRUST_BUNDLE
from podwire.mesh.identity.spiffe import Spiffe
from podwire.mesh.model.workload import Workload
from podwire.redirection.capture import INBOUND_PORT, INBOUND_TLS_PORT, OUTBOUND_PORT

OUTBOUND, INBOUND, INBOUND_TLS = "mesh-outbound", "mesh-inbound", "mesh-inbound-tls"
POD, UNKNOWN, PLAIN = "pod", "unknown", "plain"
ANY = {4: "0.0.0.0", 6: "::"}  # noqa: S104  the address that a client connected to is known of such sockets only
_TCP = tcp_proxy_pb2.TcpProxy
_NO_EARLY_DATA = {"value": 0}


def listeners(node: NodeWorkloads, versions: Sequence[int]) -> tuple[Resource, ...]:
    """Return all listeners; `versions` are the IP versions that the node has."""
    return (
        _outbound(node, versions),
        _inbound(node, versions),
        _inbound_tls(node, versions),
        _inside(INSIDE, pods.PODS, node),
        _inside(INSIDE_TLS, pods.PODS_OF_TLS, node),
        _leg(node),
        _self(),
        _opened(opened.OPENED, pods.PODS),
        _opened(opened.OPENED_TLS, pods.PODS_OF_TLS),
    )


def _outbound(node: NodeWorkloads, versions: Sequence[int]) -> Resource:
    made = listener(OUTBOUND, OUTBOUND_PORT, versions)
    made.listener_filters.append(_original_source())
    made.filter_chain_matcher.CopyFrom(matching.by_destination(_peer_choices(node), matching.chain(REFUSED)))
    made.filter_chains.extend((refusal(), *_peer_chains(node)))
    return _resource(made, pods.PEERS)


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
        yield _chain(str(identity), filter_state.on_connection(found), proxy)


def _inbound(node: NodeWorkloads, versions: Sequence[int]) -> Resource:
    made = listener(INBOUND, INBOUND_PORT, versions)
    made.filter_chain_matcher.CopyFrom(_plain_choices(node, matching.nested(_by_client(node, _clients(node)))))
    made.filter_chains.extend((refusal(golden_metrics.FROM_NODE), *_client_chains(node)))
    return _resource(made, INSIDE)


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
    return _chain(name, filter_state.on_connection(states), connection_proxy(cluster))


def _client(identity: str) -> str:
    return f"client {identity}"


def _leg(node: NodeWorkloads) -> Resource:
    """Return the listener inside Envoy that a request's connection to its endpoint enters, as if the client opened it.

    What comes next is that of connections without routes: TLS to a peer, policies and the pod, or the pod alone.
    """
    made = _internal(LEG)
    made.filter_chain_matcher.CopyFrom(_leg_choices(node))
    states = {filter_state.DESTINATION: filter_state.SERVER, filter_state.PROXIED_TO: opened.TO_POD}
    to_others = connection_proxy(pods.PODS, access_log.OUTBOUND, golden_metrics.TO_OTHERS)
    plain = _chain(PLAIN, filter_state.on_connection(states), to_others)
    to_self = filter_state.on_connection({**_ADDRESSES, **_CLIENT, **_to_pod(opened.TO_POD)})
    own = _chain(SELF, to_self, connection_proxy(SELF))
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
    made.listener_filters.append(_tls_inspector())
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
    return _resource(made, INSIDE_TLS, secrets)


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
    made = _chain(name, states, proxy)
    made.transport_socket.CopyFrom(transport_socket(mutual_tls.server(node.trust_domain, identity)))
    return made


def _self() -> Resource:
    """Return the listener for requests of a pod to itself. They come from the node: a pod drops its own address."""
    made = _internal(SELF, _original_destination())
    choices = {opened.OPENED: matching.chain(opened.OPENED)}
    made.filter_chain_matcher.CopyFrom(matching.by_state(filter_state.TO_POD, choices, matching.chain(POD)))
    states = filter_state.on_connection({filter_state.DESTINATION: filter_state.SERVER})
    for name in (POD, opened.OPENED):
        proxy = connection_proxy(pods.PODS, access_log.INBOUND, golden_metrics.FROM_NODE)
        made.filter_chains.append(_chain(name, states, proxy))
    made.filter_chains[-1].transport_socket.CopyFrom(opened.server())
    return _resource(made, pods.PODS, (opened.SECRET_NAME,))


def _pod_chain(name: str, cluster: str, rule: str = "") -> Any:
    """Return a chain to the pod: by this cluster, or by the one that the connection has brought with it.

    `rule`: of an AUDIT policy, which matches.
    """
    states = {filter_state.DESTINATION: filter_state.SERVER, filter_state.PROXIED_TO: _BROUGHT}
    proxy = connection_proxy(cluster, access_log.audited(access_log.INBOUND, rule), _counted(cluster))
    return _chain(name, filter_state.on_connection(states), proxy)


def _opened(name: str, cluster: str) -> Resource:
    """Return the listener where the handshake of `opened` ends: it is answered once the pod is connected."""
    made = _internal(name)
    states = filter_state.on_connection({filter_state.DESTINATION: filter_state.SERVER})
    one = _chain(POD, states, connection_proxy(cluster))
    one.transport_socket.CopyFrom(opened.server())
    made.filter_chains.append(one)
    return _resource(made, cluster, (opened.SECRET_NAME,))


def _inside(name: str, cluster: str, node: NodeWorkloads) -> Resource:
    """Return a listener inside Envoy. It has the addresses of the client's connection, and so decides by them.

    Each pod has chains of its own, named for what decides there: where a policy changes, Envoy ends the connections
    that were admitted before, after the time for which it drains chains that are gone.
    """
    chains: dict[str, Any] = {}
    choices: dict[str, Any] = {}
    for one in node.enrolled:
        choices.update(dict.fromkeys(map(str, one.addresses), _decided(node, one, cluster, chains)))
    made = _internal(name)
    made.filter_chain_matcher.CopyFrom(matching.by_destination(choices, matching.chain(REFUSED)))
    counted = golden_metrics.FROM_PEERS if name == INSIDE_TLS else golden_metrics.FROM_NODE
    made.filter_chains.extend((refusal(counted), *(chains[one] for one in sorted(chains))))
    return _resource(made, cluster)


def _internal(name: str, *filters: Any) -> Any:
    return listener_pb2.Listener(
        name=name,
        stat_prefix=name,
        internal_listener=listener_pb2.Listener.InternalListenerConfig(),
        listener_filters=filters or (_original_destination(), _original_source()),
        per_connection_buffer_limit_bytes={"value": BUFFER_BYTES},
    )


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


def _counted(cluster: str) -> golden_metrics.Tags:
    return golden_metrics.FROM_PEERS if cluster == pods.PODS_OF_TLS else golden_metrics.FROM_NODE


def _digest(match: Any, modes: object) -> str:
    """Return a text that differs where other connections are admitted."""
    content = match.SerializeToString(deterministic=True) + repr(modes).encode()
    return hashlib.blake2b(content, digest_size=8).hexdigest()


_ADDRESSES = {
    filter_state.LOCAL_ADDRESS: filter_state.SERVER,
    filter_state.REMOTE_ADDRESS: filter_state.CLIENT,
}
_CLIENT = {filter_state.SOURCE_ADDRESS: filter_state.CLIENT_HOST}
_BROUGHT = f"%FILTER_STATE({filter_state.TO_POD}:PLAIN)%"


def _to_pod(cluster: str) -> dict[str, str]:
    return {filter_state.TO_POD: cluster} if cluster else {}


def _identities(node: NodeWorkloads, workloads: Sequence[Any]) -> Iterator[Spiffe]:
    yield from sorted({node.identity(one) for one in workloads})


def listener(name: str, port: int, versions: Sequence[int]) -> Any:
    """Return a listener for connections that the rules of redirection lead to it."""
    first, *others = (
        address_pb2.Address(socket_address=address_pb2.SocketAddress(address=ANY[version], port_value=port))
        for version in versions
    )
    return listener_pb2.Listener(
        name=name,
        stat_prefix=name,
        address=first,
        additional_addresses=[listener_pb2.AdditionalAddress(address=one) for one in others],
        transparent={"value": True},
        per_connection_buffer_limit_bytes={"value": BUFFER_BYTES},
    )


def _chain(name: str, *filters: Any) -> Any:
    return listener_components_pb2.FilterChain(name=name, filters=filters)


def connection_proxy(
    cluster: str, fields: dict[str, str] | None = None, counted: golden_metrics.Tags | None = None, **options: Any
) -> Any:
    """Return the filter that passes a connection to a cluster, with a log of these fields, counted by these tags."""
    made = _TCP(stat_prefix=cluster, cluster=cluster, idle_timeout=duration(0), **options)
    if fields:
        made.access_log.append(access_log.access_log(fields))
    if counted:
        made.access_log.extend(golden_metrics.of_connections(counted))
        made.access_log_options.flush_access_log_on_connected = True
    return listener_components_pb2.Filter(name="envoy.filters.network.tcp_proxy", typed_config=packed(made))


def refusal(counted: golden_metrics.Tags | None = None, rule: str = "") -> Any:
    """Return the chain of connections that are refused: they are logged, counted by these tags, and closed.

    `rule`: of an AUDIT policy, which matches; the chain has its name.
    """
    name = f"{REFUSED} audit {rule}" if rule else REFUSED
    return _chain(name, connection_proxy(INVALID_CLUSTER, access_log.audited(access_log.REFUSED, rule), counted))


def _original_source() -> Any:
    return _listener_filter("envoy.filters.listener.original_src", original_src_pb2.OriginalSrc())


def _original_destination() -> Any:
    return _listener_filter("envoy.filters.listener.original_dst", original_dst_pb2.OriginalDst())


def _tls_inspector() -> Any:
    return _listener_filter("envoy.filters.listener.tls_inspector", tls_inspector_pb2.TlsInspector())


def _listener_filter(name: str, message: Any) -> Any:
    return listener_components_pb2.ListenerFilter(name=name, typed_config=packed(message))


def _resource(made: Any, cluster: str, secrets: Sequence[str] = ()) -> Resource:
    warms = tuple((SECRET, name) for name in secrets)
    return resource(LISTENER, made.name, made, requires=((CLUSTER, cluster),), warms=warms)
