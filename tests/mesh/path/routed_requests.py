"""Requests to Services with routes between two nodes with real Envoys: where each goes, by TLS, with whose address."""

from __future__ import annotations

import ipaddress
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from podwire.edge.envoy.rows import Row
from podwire.edge.model.backends import Cluster as ClusterRow
from podwire.mesh.envoy.routed import RoutedService
from podwire.mesh.routes.frontends import Frontend
from podwire.mesh.routes.localities import Place
from podwire.redirection import capture
from tests.mesh.path import grpc_requests
from tests.mesh.path.cluster import PODS, Cluster, until
from tests.mesh.routes.objects import Cluster as Objects

POD = {pod.name: pod for pod in PODS}
ADDRESSES = {"web": ("10.96.0.1", "fd96::1"), "only": ("10.96.0.2",)}
SECRET = b"a secret word"
SOME_GONE = (
    ("b", 8000),
    ("b", 8001),  # where nothing listens: TLS to its node, and then the end
    ("c", 8001),  # the same on the client's node
)
REPLACED = (("b", 8100), ("c", 8100), ("b", 8101), ("c", 8101))
ROUTE = [
    {"matches": [{"path": {"value": "/local"}}], "backendRefs": [{"name": "c", "port": 80}]},
    {"matches": [{"path": {"value": "/plain"}}], "backendRefs": [{"name": "v", "port": 80}]},
    {"matches": [{"path": {"value": "/gone"}}], "backendRefs": [{"name": "gone", "port": 80}]},
    {"matches": [{"path": {"value": "/replaced"}}], "backendRefs": [{"name": "replaced", "port": 80}]},
    *(
        {"matches": [{"path": {"value": f"/{name}"}}], "backendRefs": [{"name": name, "port": 80}]}
        for name in ("some-gone-grpc", "replaced-grpc")
    ),
    {"matches": [{"path": {"value": "/some-gone"}}], "backendRefs": [{"name": "some-gone", "port": 80}]},
    {
        "matches": [{"path": {"value": "/limited"}}],
        "timeouts": {"backendRequest": "300ms"},
        "backendRefs": [{"name": "b", "port": 80}],
    },
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
        pod, port = (name, 8000) if name in POD else ("c", 8001)
        found.put_whole("EndpointSlice", slice_of(name, 1, port, POD[pod].addresses[0]))
    for name, servers in (("some-gone", SOME_GONE), ("replaced", REPLACED)):
        found.service(name)
        for number, (server, port) in enumerate(servers):
            found.put_whole("EndpointSlice", slice_of(name, number, port, POD[server].addresses[0]))
    for name, servers in (("some-gone-grpc", grpc_requests.SOME_GONE), ("replaced-grpc", grpc_requests.REPLACED)):
        found.service(name, {"port": 80, "name": "http", "appProtocol": "kubernetes.io/h2c"})
        for number, (server, port) in enumerate(servers):
            found.put_whole("EndpointSlice", slice_of(name, number, port, POD[server].addresses[0]))
    found.service("web")
    found.route("web", {}, *ROUTE)
    return found


def slice_of(service: str, number: int, port: int, address: str) -> dict[str, Any]:
    """Return an EndpointSlice of a Service with one endpoint."""
    labels = {"kubernetes.io/service-name": service}
    return {
        "metadata": {"namespace": "shop", "name": f"{service}-{number}", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": [address]}],
    }


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
        serve(cluster, pod.name, 8000)
    for node in (1, 2):
        cluster.nft(node, CAPTURE)
    for pod in PODS:
        until(lambda name=pod.name: cluster.listens(name, 8000), f"the HTTP server of {pod.name}")  # type: ignore[misc]
    requests_go_where_their_route_leads_with_the_address_of_the_client(cluster)
    what_no_route_matches_is_404_and_a_dead_endpoint_503(cluster)
    a_request_is_tried_at_an_endpoint_that_is_there(cluster)
    grpc_requests.calls_are_made_where_a_server_is(cluster)
    a_request_that_a_backend_may_have_seen_is_not_sent_again(cluster)
    weights_are_kept(cluster)
    only_requests_to_peers_are_encrypted(cluster)


def no_request_fails_while_servers_are_killed(cluster: Cluster, number: int) -> None:
    """Kill one server after the other and start it again, with its endpoint known all the time, under load.

    A POST that a killed server may have begun is not sent again: at most one for each server that is killed.
    """
    cluster.nft(1, CAPTURE)
    for server, port in REPLACED:
        serve(cluster, server, port)
    for server, port in REPLACED:
        until(lambda server=server, port=port: cluster.listens(server, port), "a server")  # type: ignore[misc]
    until(lambda: get(cluster, "a", "/replaced")["status"] == 200, "the route")
    killed = 0
    with ThreadPoolExecutor(2) as threads:
        loads = {
            method: threads.submit(responses, cluster, "a", f"/replaced/{method}/%d", number, method)
            for method in ("GET", "POST")
        }
        while killed < len(REPLACED) or not all(one.done() for one in loads.values()):
            server, port = REPLACED[killed % len(REPLACED)]
            cluster.kill(f"http-{server}-{port}")
            serve(cluster, server, port)
            until(lambda server=server, port=port: cluster.listens(server, port), "a server")  # type: ignore[misc]
            killed += 1
    got, posted = loads["GET"].result(), loads["POST"].result()
    assert Counter(one["status"] for one in got) == {200: number}, killed
    seen = Counter(_seen(cluster, "POST"))
    failed = {f"/replaced/POST/{index}" for index, one in enumerate(posted) if one["status"] != 200}
    assert len(failed) <= killed
    assert set(seen.values()) == {1}, "a request that has reached a server is never sent again"


def _seen(cluster: Cluster, method: str) -> Iterator[str]:
    """Yield the paths of the requests that servers of REPLACED have read."""
    for server, port in REPLACED:
        for line in (cluster.folder / f"http-{server}-{port}.log").read_text().splitlines():
            if line.startswith(f"{method} "):
                yield line.partition(" ")[2]


def serve(cluster: Cluster, pod: str, port: int) -> None:
    """Start the HTTP server of a pod."""
    name = f"http-{pod}" if port == 8000 else f"http-{pod}-{port}"
    cluster.spawn(name, pod, sys.executable, "-IS", "-c", HTTP_SERVER, str(port))


def get(cluster: Cluster, client: str, path: str, method: str = "GET") -> dict[str, Any]:
    """Send a request from a pod to `web`."""
    return responses(cluster, client, path, 1, method)[0]


def responses(
    cluster: Cluster, client: str, path: str, number: int, method: str = "GET", size: int = 0
) -> list[dict[str, Any]]:
    """Send requests one after the other from a pod to `web`, with bodies of so many bytes; `%d` is their number."""
    words = (ADDRESSES["web"][0], path, str(number), method, str(size))
    text = cluster.output(client, sys.executable, "-IS", "-c", HTTP_CLIENT, *words)
    return [msgspec.json.decode(line) for line in text.splitlines()]


def requests_go_where_their_route_leads_with_the_address_of_the_client(cluster: Cluster) -> None:
    for client in ("a", "c"):
        for path, server in (("/peer", "b"), ("/local", "c"), ("/plain", "v")):
            found = get(cluster, client, path)
            assert found["status"] == 200, (client, path, found)
            assert found["body"]["server"] == POD[server].addresses[0], (client, path)
            own = "169.254.1.1" if client == server else POD[client].addresses[0]
            assert found["body"]["client"] == own, (client, path)
            assert "x-envoy-retry-on" not in found["body"]["headers"]
            assert found["body"]["headers"].get("x-set") == ("1" if path == "/peer" else None)


def what_no_route_matches_is_404_and_a_dead_endpoint_503(cluster: Cluster) -> None:
    assert get(cluster, "a", "/other")["status"] == 404
    assert get(cluster, "a", "/gone")["status"] == 503


def a_request_is_tried_at_an_endpoint_that_is_there(cluster: Cluster) -> None:
    """One of three endpoints is there, and three are tried, whatever the method and the size of the request."""
    for method, size in (("GET", 0), ("POST", 0), ("POST", 200_000)):
        found = Counter(one["status"] for one in responses(cluster, "a", "/some-gone", 30, method, size))
        assert found == {200: 30}, (method, size, found)


def a_request_that_a_backend_may_have_seen_is_not_sent_again(cluster: Cluster) -> None:
    for method, path, tries, status in (
        ("POST", "/peer/end", 1, 503),
        ("GET", "/peer/end-of-get", 3, 503),
        ("GET", "/limited/wait", 1, 504),
    ):
        assert get(cluster, "a", path, method)["status"] == status, path
        seen = (cluster.folder / "http-b.log").read_text().splitlines()
        assert seen.count(f"{method} {path}") == tries, (path, seen)


def weights_are_kept(cluster: Cluster) -> None:
    servers = Counter(one["body"]["server"] for one in responses(cluster, "a", "/split", 200))
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
import http.server, json, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    wbufsize = -1  # a response is sent whole
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        print(self.command, self.path, flush=True)
        self.rfile.read(int(self.headers.get('Content-Length', 0)))
        if '/end' in self.path:
            self.close_connection = True
            return
        if '/wait' in self.path:
            time.sleep(1)
        value = {'server': self.connection.getsockname()[0], 'client': self.client_address[0]}
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({**value, 'path': self.path, 'headers': headers}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(('0.0.0.0', int(sys.argv[1])), Handler).serve_forever()
"""

HTTP_CLIENT = """
import http.client, json, sys
host, path, number, method, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
connection = http.client.HTTPConnection(host, 80, timeout=30)
for index in range(number):
    connection.request(method, path.replace('%d', str(index)), b'x' * size, {'x-secret': 'a secret word'})
    response = connection.getresponse()
    text = response.read().decode()
    print(json.dumps({'status': response.status, 'body': json.loads(text) if text[:1] == '{' else text}))
"""
