"""The path of connections between two nodes with real Envoys: mutual TLS, the client's address, and what is refused."""

from __future__ import annotations

from pathlib import Path

from podwire.redirection import capture
from tests.mesh.path.cluster import PODS, Cluster, running, until
from tests.sandbox import sandboxed

POD = {pod.name: pod for pod in PODS}
SECRET = b"a secret word"
FIRST, ANSWERS, UDP = 25, 8080, 53


@sandboxed
def test_path(tmp_path: Path) -> None:
    with running(tmp_path) as cluster:
        every_pair_is_served_with_the_address_of_the_client(cluster)
        only_connections_within_the_mesh_are_encrypted(cluster)
        what_is_no_tcp_of_the_mesh_is_as_without_it(cluster)
        listeners_of_envoy_are_reached_by_no_other_way(cluster)
        a_server_with_another_identity_is_refused(cluster)
        envoy_serves_while_its_control_plane_is_away(cluster)
        without_envoy_the_mesh_is_refused_and_nothing_else(cluster)


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
    port = capture.MESH_PORTS[0] + 7  # a client's own choice of a port that Envoys have
    assert cluster.connect("a", POD["b"].addresses[0], ANSWERS, port) == said("a")[0]


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
    for port in (capture.OUTBOUND_PORT, capture.INBOUND_PORT, capture.INBOUND_TLS_PORT):
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
    until(lambda: cluster.connect("a", POD["b"].addresses[0], ANSWERS) == "closed", "another identity is refused")
    cluster.restart_control_plane(1, {})
    until(lambda: cluster.connect("a", POD["b"].addresses[0], ANSWERS) == said("a")[0], "its own is not")


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
