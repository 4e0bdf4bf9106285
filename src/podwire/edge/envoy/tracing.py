"""Spans of requests, and the cluster of the collector that receives them."""

from __future__ import annotations

from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import grpc_service_pb2, protocol_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.config.trace.v3 import http_tracer_pb2, opentelemetry_pb2, zipkin_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.type.v3 import percent_pb2

from podwire.edge.envoy import named_host
from podwire.edge.envoy.cluster import HTTP_OPTIONS
from podwire.edge.envoy.message import duration, packed, resource
from podwire.edge.model.listeners import GatewayPort
from podwire.edge.model.tracing import Collector, CollectorKind, RouteTracing, Tracing
from podwire.edge.xds.resource import CLUSTER, Key, Resource

SECONDS = 1.0
"""For a connection, and for a report of spans: a collector that does not respond loses them, and delays no request."""
ZIPKIN_PATH = "/api/v2/spans"


def collector(row: Collector) -> Resource:
    """Return the cluster of a collector: one address, or a name that is resolved again when its answer expires."""
    made = cluster_pb2.Cluster(
        name=row.name,
        type=cluster_pb2.Cluster.STATIC if named_host.is_address(row.host) else cluster_pb2.Cluster.STRICT_DNS,
        connect_timeout=duration(SECONDS),
        respect_dns_ttl=True,
        load_assignment=named_host.assignment(row.name, row.host, row.port),
    )
    if row.kind is CollectorKind.OTLP:
        explicit = http_protocol_options_pb2.HttpProtocolOptions.ExplicitHttpConfig
        options = explicit(http2_protocol_options=protocol_pb2.Http2ProtocolOptions())
        whole = http_protocol_options_pb2.HttpProtocolOptions(explicit_http_config=options)
        made.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(packed(whole))
    return resource(CLUSTER, row.name, made)


def key(row: Collector) -> Key:
    """Return type and name of the resource."""
    return CLUSTER, row.name


def tracing(settings: Tracing, port: GatewayPort) -> Any:
    """Return the settings of a listener. A client cannot have its requests traced by a header (client_sampling 0)."""
    manager = http_connection_manager_pb2.HttpConnectionManager
    return manager.Tracing(
        client_sampling=percent_pb2.Percent(value=0),
        random_sampling=percent_pb2.Percent(value=settings.percent),
        provider=_provider(settings.collector, f"{port.gateway}.{port.namespace}"),
    )


def of_route(settings: RouteTracing) -> Any:
    """Return the settings of a route in place of its listener's."""
    share = percent_pb2.FractionalPercent(
        numerator=round(settings.percent * 10_000), denominator=percent_pb2.FractionalPercent.MILLION
    )
    none = percent_pb2.FractionalPercent()
    return route_components_pb2.Tracing(client_sampling=none, random_sampling=share)


def _provider(row: Collector, service: str) -> Any:
    if row.kind is CollectorKind.OTLP:
        envoy = grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=row.name)
        grpc = grpc_service_pb2.GrpcService(envoy_grpc=envoy, timeout=duration(SECONDS))
        message: Any = opentelemetry_pb2.OpenTelemetryConfig(grpc_service=grpc, service_name=service)
        name = "envoy.tracers.opentelemetry"
    else:
        message = zipkin_pb2.ZipkinConfig(
            collector_cluster=row.name,
            collector_endpoint=ZIPKIN_PATH,
            collector_endpoint_version=zipkin_pb2.ZipkinConfig.HTTP_JSON,
            collector_hostname=row.host,
            trace_id_128bit=True,
        )
        name = "envoy.tracers.zipkin"
    return http_tracer_pb2.Tracing.Http(name=name, typed_config=packed(message))
