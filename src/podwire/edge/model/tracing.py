"""Where a proxy sends its spans, and of which share of requests."""

from __future__ import annotations

import enum

import msgspec


class CollectorKind(enum.StrEnum):
    """What a collector receives: OTLP over gRPC, or Zipkin's JSON over HTTP (`/api/v2/spans`)."""

    OTLP = "otlp"
    ZIPKIN = "zipkin"


class Collector(msgspec.Struct, frozen=True):
    """A server that receives spans. `host` is an IP address, or a DNS name that the proxy resolves again and again."""

    kind: CollectorKind
    host: str
    port: int

    @property
    def name(self) -> str:
        """Unique among the clusters of a proxy."""
        return f"collector/{self.kind}/{self.host}/{self.port}"


class RouteTracing(msgspec.Struct, frozen=True):
    """What a route has of its own: the percentage of its requests, and the name of its spans; empty: the usual one."""

    percent: float
    operation: str = ""


class Tracing(msgspec.Struct, frozen=True):
    """A collector, and the percentage of requests whose spans it receives."""

    collector: Collector
    percent: float = 1.0
