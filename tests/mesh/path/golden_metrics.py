"""Golden metrics of the connections and requests of a cluster, read from its real Envoys."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from podwire.component.metrics import Histogram
from podwire.edge.instance.configuration import ADMIN_SOCKET
from podwire.kube.meta import ObjectMeta
from podwire.kube.services import Service, ServiceSpec
from podwire.mesh.node.golden_metrics import GoldenMetrics
from podwire.mesh.telemetry.surroundings import Surroundings
from tests.mesh.path.cluster import DOMAIN, PODS, Cluster, until
from tests.mesh.path.routed_requests import get

SPEC = ServiceSpec(selector={"pod": "b"}, cluster_ip="10.96.9.9")
SERVICE = Service(metadata=ObjectMeta(name="letter-b", namespace="shop"), spec=SPEC)
B = {"destination_workload": "b", "destination_principal": "spiffe://cluster.local/ns/shop/sa/b"}
FROM_A = {"source_workload": "a", "source_principal": "spiffe://cluster.local/ns/shop/sa/a"}
TLS = {"connection_security_policy": "mutual_tls"}


def what_passes_is_counted_with_both_identities(cluster: Cluster) -> None:
    """Check it in a cluster with the routes of `routed_requests`."""
    first = {pod.name: pod.addresses[0] for pod in PODS}
    for client, server in (("a", "b"), ("u", "b"), ("a", "c")):
        assert cluster.connect(client, first[server], 8080).startswith(first[client])
    for path in ("/peer", "/no-such-path"):
        get(cluster, "a", path)
    for node, metric, wanted in (
        (1, "istio_tcp_connections_opened_total", {"reporter": "source", **FROM_A, **B, **TLS}),
        (2, "istio_tcp_connections_closed_total", {"reporter": "destination", **FROM_A, **B, **TLS}),
        (2, "istio_tcp_sent_bytes_total", {**FROM_A, **B, "destination_service": "letter-b.shop.svc"}),
        (2, "istio_tcp_received_bytes_total", {"source_workload": "unknown", "connection_security_policy": "none"}),
        (1, "istio_tcp_sent_bytes_total", {**FROM_A, "reporter": "source", "destination_workload": "c"}),
        (1, "istio_tcp_sent_bytes_total", {**FROM_A, "reporter": "destination", "destination_workload": "c"}),
        (1, "istio_requests_total", {**FROM_A, **B, **TLS, "response_code": "200", "destination_service_name": "b"}),
        (1, "istio_requests_total", {**FROM_A, "response_code": "404", "destination_service_name": "web"}),
        (1, "istio_request_duration_milliseconds", {**FROM_A, "destination_service": "b.shop.svc"}),
        (1, "istio_response_bytes", {**FROM_A, "destination_service_name": "b"}),
    ):
        until(lambda one=(node, metric, wanted): value(cluster, *one) > 0, f"{metric} of node {node} {wanted}")  # type: ignore[misc]
    until(lambda: {("shop/web", "shop/b/80/http1", 200)} <= requests(cluster), "requests in the log")
    assert value(cluster, 1, "istio_tcp_sent_bytes_total", {"connection_security_policy": "same_node"}) > 0
    assert value(cluster, 1, "istio_requests_total", {"source_workload": "unknown"}) == 0


def requests(cluster: Cluster) -> set[tuple[str, str | None, int]]:
    """Return the Service, the backend and the status of the requests in the log of the node n1."""
    lines = (cluster.folder / "envoy-n1.log").read_text().splitlines()
    whole = (one for one in lines if one.startswith("{") and one.endswith("}") and '"service":' in one)
    found = [msgspec.json.decode(one) for one in whole]
    return {(one["service"], one["cluster"], one["status"]) for one in found}


def value(cluster: Cluster, node: int, metric: str, wanted: Mapping[str, str]) -> float:
    """Return the sum of a metric over the series that have these labels; of a histogram the number of its values."""
    total = 0.0
    for labels, found in read(cluster, node)[metric]:
        if wanted.items() <= labels.items():
            total += sum(found.counts) if isinstance(found, Histogram) else found
    return total


def read(cluster: Cluster, node: int) -> dict[str, Any]:
    """Return the samples of all metrics of a node."""

    def follow(known: Surroundings) -> None:
        workloads = cluster.workloads(node)
        known.follow(workloads.pods, workloads.peers, (SERVICE,))

    metrics = GoldenMetrics(str(cluster.folder / f"n{node}" / ADMIN_SOCKET), DOMAIN, follow)
    asyncio.run(metrics.read())
    return {one.name: one.samples for one in metrics.families()}
