"""Spans of routed requests, received by a server of OTLP: `python -m tests.mesh.path.spans FILE` appends them to it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import msgspec
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from podwire.edge.model.tracing import Collector, CollectorKind, Tracing
from tests.mesh.path.cluster import Cluster, until
from tests.mesh.path.routed_requests import ADDRESSES, POD, get

PORT = 4317
SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
SPANS = Tracing(Collector(CollectorKind.OTLP, "172.18.0.1", PORT), 100.0)
"""To the node n1."""
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Span(msgspec.Struct, frozen=True):
    """What is read of one. Ids are hexadecimal."""

    service: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]


def requests_have_spans(cluster: Cluster) -> None:
    """Check it in a cluster with the routes of `routed_requests` and with `SPANS`."""
    file = cluster.folder / "spans"
    file.touch()
    cluster.spawn("spans", "n1", sys.executable, "-m", "tests.mesh.path.spans", str(file))
    until(lambda: cluster.listens("n1", PORT), "the receiver of spans")
    a_request_begins_a_trace_that_its_backend_receives(cluster, file)
    the_trace_of_a_client_goes_on(cluster, file)
    cluster.kill("spans")
    assert get(cluster, "a", "/peer")["status"] == 200, "without a receiver"


def a_request_begins_a_trace_that_its_backend_receives(cluster: Cluster, file: Path) -> None:
    version, trace, parent, flags = get(cluster, "a", "/peer")["body"]["headers"]["traceparent"].split("-")
    assert (version, flags) == ("00", "01")
    until(lambda: trace in {one.trace for one in read(file)}, "the span of a request")
    (span,) = [one for one in read(file) if one.trace == trace]
    assert (span.id, span.parent, span.service) == (parent, "", "web.shop")
    assert span.attributes["http.status_code"] == "200"
    assert "shop/b/80" in span.attributes["upstream_cluster"]
    assert span.attributes["peer.address"] == POD["a"].addresses[0]


def the_trace_of_a_client_goes_on(cluster: Cluster, file: Path) -> None:
    answer = cluster.get("a", ADDRESSES["web"][0], "/peer", f"traceparent: 00-{TRACE}-{PARENT}-01")
    assert f"00-{TRACE}-" in answer
    assert PARENT not in answer, "the backend's parent is Envoy's span"
    until(lambda: any(one.trace == TRACE for one in read(file)), "the span of a client's trace")
    assert {one.parent for one in read(file) if one.trace == TRACE} == {PARENT}


def read(file: Path) -> list[Span]:
    """Return the spans that have arrived."""
    return [msgspec.json.decode(line, type=Span) for line in file.read_bytes().splitlines()]


def _append(file: Path, request: Any) -> Any:
    """Append a line of JSON for each span."""
    with file.open("ab") as out:
        for one in request.resource_spans:
            service = _values(one.resource.attributes).get("service.name", "")
            # The name of `scope_spans` (the same field) in the release of OTLP that xds-protos has.
            for span in (each for scope in one.instrumentation_library_spans for each in scope.spans):
                trace, own, parent = (each.hex() for each in (span.trace_id, span.span_id, span.parent_span_id))
                out.write(msgspec.json.encode(Span(service, trace, own, parent, _values(span.attributes))) + b"\n")
    return trace_service_pb2.ExportTraceServiceResponse()


def _values(attributes: Any) -> dict[str, str]:
    return {one.key: one.value.string_value for one in attributes}


async def receive(file: Path) -> None:
    """Receive until cancelled."""

    async def export(request: Any, _: object) -> Any:
        return _append(file, request)

    handler = grpc.unary_unary_rpc_method_handler(
        export,
        request_deserializer=trace_service_pb2.ExportTraceServiceRequest.FromString,
        response_serializer=trace_service_pb2.ExportTraceServiceResponse.SerializeToString,
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": handler}),))
    server.add_insecure_port(f"0.0.0.0:{PORT}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(receive(Path(sys.argv[1])))
