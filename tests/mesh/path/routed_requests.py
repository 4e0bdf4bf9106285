"""Requests to Services with routes between two nodes with real Envoys: where each goes, by TLS, with whose address."""

from __future__ import annotations

import ipaddress
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from podwire.edge.envoy.rows import Row
from podwire.edge.model.backends import Cluster as ClusterRow
from podwire.mesh.envoy.routed import RoutedService
from podwire.mesh.routes.frontends import Frontend
from podwire.mesh.routes.localities import Place
from podwire.redirection import capture
from tests.mesh.path.cluster import PODS, Cluster, until
from tests.mesh.routes.objects import Cluster as Objects

POD = {pod.name: pod for pod in PODS}
ADDRESSES = {"web": ("10.96.0.1", "fd96::1"), "only": ("10.96.0.2",)}
SECRET = b"a secret word"
ROUTE = [
    {"matches": [{"path": {"value": "/local"}}], "backendRefs": [{"name": "c", "port": 80}]},
    {"matches": [{"path": {"value": "/plain"}}], "backendRefs": [{"name": "v", "port": 80}]},
    {"matches": [{"path": {"value": "/gone"}}], "backendRefs": [{"name": "gone", "port": 80}]},
    {
        "matches": [{"path": {"value": "/split"}}],
        "backendRefs": [{"name": "b", "port": 80, "weight": 9}, {"name": "c", "port": 80, "weight": 1}],
    },
    {
        "matches": [{"path": {"value": "/peer"}}],
        "filters": [
            {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-set", "value": "1"}]}}
        ],
        "backendRefs": [{"name": "b", "port": 80}],
    },
]


def objects() -> Objects:
    """Return Services `web` with routes of its own, `only` with one of namespace `shop`, and one for each pod."""
    found = Objects()
    found.namespace("infra", {"podwire.dev/mesh": "enabled"})
    for name in ("b", "c", "v", "gone"):
        found.service(name)
        addresses = [POD[name].addresses[0]] if name in POD else ["10.244.2.200"]
        slice_ = {
            "metadata": {"namespace": "shop", "name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8000}],
            "endpoints": [{"addresses": addresses}],
        }
        found.put_whole("EndpointSlice", slice_)
    found.service("web")
    found.route("web", {}, *ROUTE)
    return found


def routed(found: Objects) -> tuple[tuple[RoutedService, ...], tuple[Row, ...]]:
    """Return what a control plane makes from the objects."""
    changes = found.routes.update(found.objects.routes)
    rows: list[Row] = [row for each in changes.rows.values() for row in each]
    clusters = {one.port for one in rows if isinstance(one, ClusterRow)}
    rows += [found.routes.endpoints(port, Place()) for port in sorted(clusters)]
    addresses = tuple(map(ipaddress.ip_address, ADDRESSES["web"][:1]))
    return (RoutedService(addresses, (Frontend("shop", "web", 80),)),), tuple(rows)


def requests_are_routed(cluster: Cluster) -> None:
    """Check all of it in a running cluster with `routed(objects())`."""
    for pod in PODS:
        cluster.spawn(f"http-{pod.name}", pod.name, sys.executable, "-IS", "-c", HTTP_SERVER)
    for node in (1, 2):
        cluster.nft(node, CAPTURE)
    for pod in PODS:
        until(lambda name=pod.name: cluster.listens(name, 8000), f"the HTTP server of {pod.name}")  # type: ignore[misc]
    requests_go_where_their_route_leads_with_the_address_of_the_client(cluster)
    what_no_route_matches_is_404_and_a_dead_endpoint_503(cluster)
    weights_are_kept(cluster)
    only_requests_to_peers_are_encrypted(cluster)


def get(cluster: Cluster, client: str, path: str) -> dict[str, Any]:
    """Send a request from a pod to `web`."""
    text = cluster.output(client, sys.executable, "-IS", "-c", HTTP_CLIENT, ADDRESSES["web"][0], path)
    found: dict[str, Any] = msgspec.json.decode(text.encode())
    return found


def requests_go_where_their_route_leads_with_the_address_of_the_client(cluster: Cluster) -> None:
    for client in ("a", "c"):
        for path, server in (("/peer", "b"), ("/local", "c"), ("/plain", "v")):
            found = get(cluster, client, path)
            assert found["status"] == 200, (client, path, found)
            assert found["body"]["server"] == POD[server].addresses[0], (client, path)
            own = "169.254.1.1" if client == server else POD[client].addresses[0]
            assert found["body"]["client"] == own, (client, path)
            assert found["body"]["headers"].get("x-set") == ("1" if path == "/peer" else None)


def what_no_route_matches_is_404_and_a_dead_endpoint_503(cluster: Cluster) -> None:
    assert get(cluster, "a", "/other")["status"] == 404
    assert get(cluster, "a", "/gone")["status"] == 503


def weights_are_kept(cluster: Cluster) -> None:
    text = cluster.output("a", sys.executable, "-IS", "-c", HTTP_CLIENT, ADDRESSES["web"][0], "/split", "200")
    servers = Counter(json.loads(line)["body"]["server"] for line in text.splitlines())
    assert set(servers) == {POD["b"].addresses[0], POD["c"].addresses[0]}
    assert 5 <= servers[POD["c"].addresses[0]] <= 45


def only_requests_to_peers_are_encrypted(cluster: Cluster) -> None:
    with cluster.captured(1) as file:
        before = file.stat().st_size
        assert get(cluster, "a", "/peer")["status"] == 200
        until(lambda: file.stat().st_size > before, "packets in the capture")
        assert SECRET not in file.read_bytes()[before:]
        assert get(cluster, "a", "/plain")["status"] == 200
        until(lambda: SECRET in file.read_bytes()[before:], "the words of a request to a pod without mesh")


def _rules() -> Iterator[str]:
    to = f"tproxy ip to :{capture.ROUTED_PORT} meta mark set meta mark | {capture.MARK:#x} accept"
    yield "table inet routed {"
    yield "chain prerouting {"
    yield "type filter hook prerouting priority dstnat - 10; policy accept;"
    yield f'iifname "pw*" ip daddr {ADDRESSES["web"][0]} tcp dport 80 {to}'
    yield "}"
    yield "}"


CAPTURE = "\n".join(_rules()) + "\n"

HTTP_SERVER = """
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        value = {'server': self.connection.getsockname()[0], 'client': self.client_address[0]}
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({**value, 'path': self.path, 'headers': headers}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(('0.0.0.0', 8000), Handler).serve_forever()
"""

HTTP_CLIENT = """
import http.client, json, sys
host, path, number = sys.argv[1], sys.argv[2], int((sys.argv + ['1'])[3])
connection = http.client.HTTPConnection(host, 80, timeout=30)
for _ in range(number):
    connection.request('GET', path, headers={'x-secret': 'a secret word'})
    response = connection.getresponse()
    text = response.read().decode()
    print(json.dumps({'status': response.status, 'body': json.loads(text) if text[:1] == '{' else text}))
"""
