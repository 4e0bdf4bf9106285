"""The path of connections between two nodes with real Envoys: mutual TLS, the client's address, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from podwire.kube.meta import LabelSelector, NamespacedName, ObjectMeta
from podwire.kube.services import Service, ServicePort, ServiceSpec
from podwire.mesh.authorization import pattern
from podwire.mesh.authorization.model import Action, Operation, Policy, Rule, Source
from podwire.mesh.authorization.selection import Authorization
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.kinds.transport_policy import (
    PERMISSIVE,
    STRICT,
    TransportPolicy,
    TransportPolicySpec,
    TransportPort,
)
from podwire.redirection import capture
from tests.mesh.path.cluster import PODS, Cluster, running, until
from tests.mesh.path.golden_metrics import value, what_passes_is_counted_with_both_identities
from tests.mesh.path.grpc_requests import no_call_fails_while_servers_are_killed
from tests.mesh.path.routed_requests import (
    CAPTURE,
    get,
    no_request_fails_while_servers_are_killed,
    objects,
    requests_are_routed,
    responses,
    routed,
    serve,
)
from tests.mesh.path.spans import SPANS, requests_have_spans
from tests.sandbox import in_world

POD = {pod.name: pod for pod in PODS}
SECRET = b"a secret word"
REFUSED = {"source_principal": "spiffe://cluster.local/ns/shop/sa/c", "response_flags": "NC"}
FIRST, ANSWERS, UDP = 25, 8080, 53
ARRIVALS = 200
CLOSED = frozenset({"closed", "ConnectionResetError"})
"""What a client sees of a connection that no chain takes: it depends on what it has sent by then."""


@pytest.mark.timeout(300)
@in_world
def test_path(tmp_path: Path) -> None:
    with running(tmp_path, *routed(objects()), SPANS) as cluster:
        every_pair_is_served_with_the_address_of_the_client(cluster)
        only_connections_within_the_mesh_are_encrypted(cluster)
        what_is_no_tcp_of_the_mesh_is_as_without_it(cluster)
        requests_are_routed(cluster)
        what_passes_is_counted_with_both_identities(cluster)
        requests_have_spans(cluster)
        established_connections_end_when_their_policies_change(cluster)
        policies_decide_who_connects(cluster)


@pytest.mark.long
@pytest.mark.timeout(600)
@in_world
def test_refusals(tmp_path: Path) -> None:
    with running(tmp_path) as cluster:
        policies_decide_what_is_requested(cluster)
        cluster.authorize(Authorization())
        listeners_of_envoy_are_reached_by_no_other_way(cluster)
        a_server_with_another_identity_is_refused(cluster)
        strict_pods_accept_no_plain_text(cluster)
        a_connection_that_is_cut_without_a_reset_ends(cluster)
        envoy_serves_while_its_control_plane_is_away(cluster)
        without_envoy_the_mesh_is_refused_and_nothing_else(cluster)


@pytest.mark.long
@pytest.mark.timeout(600)
@in_world
def test_replacement(tmp_path: Path) -> None:
    with running(tmp_path, *routed(objects())) as cluster:
        no_request_fails_while_servers_are_killed(cluster, 2000)
        no_call_fails_while_servers_are_killed(cluster, 2000)
        routed_requests_are_read_where_policies_are_about_them(cluster)


@pytest.mark.long
@pytest.mark.timeout(600)
@in_world
def test_arrival(tmp_path: Path) -> None:
    with running(tmp_path, *routed(objects())) as cluster:
        a_pod_that_comes_is_never_without_its_policies(cluster)


def said(client: str) -> tuple[str, str]:
    """Return the answers to a pod, over IPv4 and IPv6."""
    first, second = POD[client].addresses
    return f"{first} said {SECRET.decode()}", f"{second} said {SECRET.decode()}"


def both(cluster: Cluster, client: str, server: str, port: int = ANSWERS) -> tuple[str, str]:
    """Connect over IPv4 and IPv6."""
    first, second = POD[server].addresses
    return cluster.connect(client, first, port), cluster.connect(client, second, port)


def every_pair_is_served_with_the_address_of_the_client(cluster: Cluster) -> None:
    pairs = (("a", "b"), ("a", "c"), ("u", "b"), ("u", "a"), ("v", "a"), ("a", "v"), ("a", "u"), ("u", "v"), ("b", "a"))
    for client, server in pairs:
        assert both(cluster, client, server) == said(client), (client, server)
    assert cluster.connect("n1", POD["b"].addresses[0], ANSWERS) == f"172.18.0.1 said {SECRET.decode()}"
    port = capture.MESH_PORTS[0] + 7  # a client's own choice of a port that Envoys have
    assert cluster.connect("a", POD["b"].addresses[0], ANSWERS, port) == said("a")[0]
    assert cluster.connect("u", POD["b"].addresses[0], ANSWERS, port) == said("u")[0]  # as a request to a new pod


def only_connections_within_the_mesh_are_encrypted(cluster: Cluster) -> None:
    with cluster.captured(1) as file:
        assert both(cluster, "a", "b") == said("a")
        until(lambda: file.read_bytes().count(b"\x16\x03\x01") >= 2, "two ClientHellos in the capture")
        assert SECRET not in file.read_bytes()
        assert both(cluster, "u", "b") == said("u")  # plain: the capture would show it
        until(lambda: file.read_bytes().count(SECRET) >= 2, "the words of a client without mesh in the capture")


def what_is_no_tcp_of_the_mesh_is_as_without_it(cluster: Cluster) -> None:
    for client, server in (("a", "b"), ("a", "c"), ("u", "b")):
        first, second = POD[client].addresses
        assert both(cluster, client, server, FIRST) == (f"{first} said", f"{second} said")
        assert both(cluster, client, server, UDP) == (SECRET.decode(), SECRET.decode())
    assert both(cluster, "a", "a") == said("a")


def listeners_of_envoy_are_reached_by_no_other_way(cluster: Cluster) -> None:
    for port in capture.LISTENERS:
        before = dropped(cluster)
        cluster.spawn("probe", "a", "timeout", "30", "bash", "-c", f"exec 3<>/dev/tcp/172.18.0.1/{port}")
        until(lambda before=before: dropped(cluster) > before, f"packets to port {port} are dropped")  # type: ignore[misc]
        cluster.kill("probe")


def dropped(cluster: Cluster) -> int:
    """Return the packets to Envoy's ports that were not led there."""
    words = cluster.output("n1", "nft", "list", "counter", "inet", "podwire-redirection", "direct").split()
    return int(words[words.index("packets") + 1])


def a_server_with_another_identity_is_refused(cluster: Cluster) -> None:
    cluster.restart_control_plane(1, {"b": "impostor"})
    until(lambda: cluster.connect("a", POD["b"].addresses[0], ANSWERS) in CLOSED, "another identity is refused")
    cluster.restart_control_plane(1, {})
    until(lambda: cluster.connect("a", POD["b"].addresses[0], ANSWERS) == said("a")[0], "its own is not")


def established_connections_end_when_their_policies_change(cluster: Cluster) -> None:
    """By TLS from another node, and as plain text; those to other pods go on."""
    first, other = POD["b"].addresses[0], POD["c"].addresses[0]
    with (
        cluster.held("c", first) as denied,
        cluster.held("u", first) as plain,
        cluster.held("b", other) as kept,
    ):
        for state in (denied, plain, kept):
            until(lambda state=state: state() == "open", "a response")  # type: ignore[misc]
        one = msgspec.structs.replace(policy(), selector=LabelSelector(match_labels={"pod": "b"}))
        cluster.authorize(Authorization((one,)))
        for state in (denied, plain):
            until(lambda state=state: state() == "ended", "a connection that is denied now ends")  # type: ignore[misc]
        assert kept() == "open"
    cluster.authorize(Authorization())


def policies_decide_who_connects(cluster: Cluster) -> None:
    """By identity: from another node by TLS, from the same node, and without any. A server says nothing to others."""
    audit = Policy(NamespacedName("shop", "seen"), Action.AUDIT, (Rule((), (Operation(ports=(ANSWERS,)),)),))
    cluster.authorize(Authorization((policy(ports=(FIRST, ANSWERS)), audit)))
    is_seen = {"verdict": "refused", "audit": "shop/seen/0"}  # by the policies of now, on both nodes
    until(lambda: connects_and_is_logged(cluster, "c", ANSWERS, is_seen), "another identity is refused")
    until(lambda: refused(both(cluster, "u", "c")), "on the other node, too")
    closed, spared = "istio_tcp_connections_closed_total", {"destination_workload": "b", "response_flags": "-"}
    before = value(cluster, 2, closed, {**REFUSED, **spared})
    for client, server in (("c", "b"), ("u", "b"), ("u", "c")):
        assert refused(both(cluster, client, server)), (client, server)
        assert refused(both(cluster, client, server, FIRST)), (client, server)
    assert refused(both(cluster, "n1", "b", FIRST)), "a client outside of the pod ranges"
    until(lambda: refusals(cluster, 2) >= {"spiffe://cluster.local/ns/shop/sa/c", None}, "refusals in the log")
    assert value(cluster, 2, closed, REFUSED) > 0
    assert value(cluster, 2, closed, {**REFUSED, **spared}) == before
    for server in ("b", "c"):
        first, second = POD["a"].addresses
        assert both(cluster, "a", server, FIRST) == (f"{first} said", f"{second} said"), server
        assert both(cluster, "a", server) == said("a"), server
    for client, port, outcome, rule in (
        ("c", ANSWERS, {"verdict": "refused"}, "shop/seen/0"),
        ("c", FIRST, {"verdict": "refused"}, None),
        ("a", ANSWERS, {"direction": "inbound"}, "shop/seen/0"),
        ("a", FIRST, {"direction": "inbound"}, None),
    ):
        one = {**outcome, "source_identity": f"spiffe://cluster.local/ns/shop/sa/{client}"}
        one |= {"audit": rule} if rule else {}
        until(lambda: connects_and_is_logged(cluster, client, port, one), f"a line about {one}")  # noqa: B023  called here


def connects_and_is_logged(cluster: Cluster, client: str, port: int, fields: dict[str, str]) -> bool:
    """Connect to the pod b; return whether a connection to this port is in its node's log with these fields."""
    address = POD["b"].addresses[0]
    cluster.connect(client, address, port)
    return is_logged(cluster, "envoy-n2", f"{address}:{port}", fields)


def is_logged(cluster: Cluster, name: str, destination: str, fields: dict[str, str]) -> bool:
    """Whether the log of an Envoy has a connection to this address and port with these fields."""
    lines = (cluster.folder / f"{name}.log").read_text().splitlines()
    found = (msgspec.json.decode(line) for line in lines if line.startswith("{") and line.endswith("}"))
    own = (one for one in found if one["destination"] == destination and ("audit" in fields) == ("audit" in one))
    return any(fields.items() <= one.items() for one in own)


def refusals(cluster: Cluster, node: int) -> set[str | None]:
    """Return the identities of clients whose connections to `b` the log of a node's Envoy has as refused."""
    lines = (cluster.folder / f"envoy-n{node}.log").read_text().splitlines()
    found = [msgspec.json.decode(one) for one in lines if '"verdict":"refused"' in one]
    return {one["source_identity"] for one in found if one["destination"].startswith(POD["b"].addresses[0])}


def policies_decide_what_is_requested(cluster: Cluster) -> None:
    spec = ServiceSpec(selector={"app": "any"}, ports=(ServicePort(port=80, app_protocol="http"),))
    service = Service(metadata=ObjectMeta(name="any", namespace="shop"), spec=spec)
    cluster.authorize(Authorization((policy(paths=(pattern.read_path("/open/*"),)),), (), (service,)))
    for server in ("b", "c"):
        for client_address, address in zip(POD["a"].addresses, POD[server].addresses, strict=True):
            until(lambda to=address: cluster.get("a", to, "/x").endswith("403"), "a path is refused")  # type: ignore[misc]
            assert cluster.get("a", address, "/open/x") == f"{client_address} was served200", server
            assert cluster.get("a", address, "/open/x", "Connection: close") == f"{client_address} was served200"
            assert cluster.get("a", address, "/open/../x").endswith("403")
            assert refused((cluster.connect("a", address, ANSWERS),)), "a port that is not HTTP allows nothing"
            for stranger in ("b" if server == "c" else "c", "u"):
                assert cluster.get(stranger, address, "/open/x") == "000", stranger


def routed_requests_are_read_where_policies_are_about_them(cluster: Cluster) -> None:
    """A pod that cannot be reached is known there, too: one of three endpoints of `some-gone` is there."""
    spec = ServiceSpec(
        selector={"app": "any"},
        ports=tuple(ServicePort(port=port, app_protocol="http") for port in (8000, 8001)),
    )
    service = Service(metadata=ObjectMeta(name="any", namespace="shop"), spec=spec)
    serve(cluster, "b", 8000)
    until(lambda: cluster.listens("b", 8000), "a server")
    cluster.authorize(Authorization((policy(paths=(pattern.read_path("/some-gone"),)),), (), (service,)))
    until(lambda: get(cluster, "a", "/peer")["status"] == 403, "a path is refused")
    for method in ("GET", "POST"):
        found = Counter(one["status"] for one in responses(cluster, "a", "/some-gone", 30, method))
        assert found == {200: 30}, (method, found)
    assert get(cluster, "c", "/some-gone")["status"] == 503, "another identity"
    cluster.authorize(Authorization())


def a_pod_that_comes_is_never_without_its_policies(cluster: Cluster) -> None:
    """Requests of its own node to a pod that is added again and again, and that a policy denies to all."""
    cluster.nft(1, CAPTURE)
    serve(cluster, "c", 8000)
    until(lambda: get(cluster, "a", "/local")["status"] == 200, "the route, without a policy")
    selector = LabelSelector(match_labels={"pod": "c"})
    denied = Policy(NamespacedName("shop", "nobody"), Action.DENY, (Rule(),), selector=selector)
    cluster.authorize(Authorization((denied,)))
    until(lambda: get(cluster, "a", "/local")["status"] == 503, "the policy")
    cluster.arriving = "c"
    cluster.restart_control_plane(1, {})
    log = cluster.folder / "xds-n1.log"
    found: Counter[int] = Counter()
    while log.read_text().count("came") < ARRIVALS:
        found.update(one["status"] for one in responses(cluster, "a", "/local", 500))
    assert set(found) == {503}, found
    cluster.arriving = ""
    cluster.authorize(Authorization())
    until(lambda: get(cluster, "a", "/local")["status"] == 200, "the pod, without a policy")


def refused(answers: Sequence[str]) -> bool:
    """Whether all were closed without a byte: before a client has sent something, or after."""
    return set(answers) <= {"closed", "ConnectionResetError"}


def policy(ports: tuple[int, ...] = (), paths: tuple[pattern.Pattern, ...] = ()) -> Policy:
    """Return a policy of all pods that allows the pod a alone."""
    source = Source(identities=(pattern.read("spiffe://cluster.local/ns/shop/sa/a"),))
    return Policy(NamespacedName("shop", "of-a"), rules=(Rule((source,), (Operation(ports=ports, paths=paths),)),))


def strict_pods_accept_no_plain_text(cluster: Cluster) -> None:
    strict = TransportPolicySpec(mode=STRICT, ports=(TransportPort(port=FIRST, mode=PERMISSIVE),))
    policy = TransportPolicy(metadata=ObjectMeta(name="strict", namespace="shop"), spec=strict)
    cluster.restart_control_plane(2, {}, Transport((policy,)))
    until(lambda: CLOSED.issuperset(both(cluster, "u", "b")), "plain text of another node is refused")
    assert CLOSED.issuperset(both(cluster, "v", "b"))
    assert cluster.connect("u", POD["b"].addresses[0], ANSWERS, capture.MESH_PORTS[0] + 7) in CLOSED
    assert both(cluster, "a", "b") == said("a")
    assert both(cluster, "u", "b", FIRST)[0] == f"{POD['u'].addresses[0]} said"
    cluster.restart_control_plane(2, {})
    until(lambda: both(cluster, "u", "b") == said("u"), "plain text is accepted again")


def a_connection_that_is_cut_without_a_reset_ends(cluster: Cluster) -> None:
    """As NetworkPolicies cut: no packet of it passes any more."""
    drop = f"tcp sport {capture.MESH_PORTS[0]}-{capture.LAST_PORT} drop"
    with cluster.held("a", POD["b"].addresses[0]) as state:
        until(lambda: state() == "open", "a response")
        cluster.nft(2, f"table inet cut {{ chain cut {{ type filter hook prerouting priority -300; {drop}; }}; }}")
        until(lambda: state() == "ended", "the client sees its end")
    cluster.nft(2, "delete table inet cut")


def envoy_serves_while_its_control_plane_is_away(cluster: Cluster) -> None:
    for node in ("n1", "n2"):
        cluster.kill(f"xds-{node}")
    assert both(cluster, "a", "b") == said("a")


def without_envoy_the_mesh_is_refused_and_nothing_else(cluster: Cluster) -> None:
    refused = ("ConnectionRefusedError", "ConnectionRefusedError")
    cluster.kill("envoy-n1")
    for client, server in (("a", "b"), ("u", "a"), ("v", "a"), ("a", "c")):
        assert both(cluster, client, server) == refused, (client, server)
    assert both(cluster, "u", "v") == said("u")
    assert both(cluster, "a", "v") == said("a")
    assert both(cluster, "a", "b", UDP) == (SECRET.decode(), SECRET.decode())
    cluster.start_envoy(1)
    assert both(cluster, "a", "b") == said("a")
