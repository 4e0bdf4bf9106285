"""The fields of Istio's VirtualService and DestinationRule. Source: istio.io/api v1.32 `networking/v1`."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.mesh.istio.field import Field, differs, exact, refused

VIRTUAL, DESTINATION = "VirtualService", "DestinationRule"
_HTTP, _MATCH = "spec.http[]", "spec.http[].match[]"
_POLICY = "spec.trafficPolicy"


def rows() -> Iterator[Field]:
    """Yield them all."""
    yield from _virtual_service()
    yield from _routes()
    yield from _destination_rule()


def _virtual_service() -> Iterator[Field]:
    kind = VIRTUAL
    yield from differs(kind, "names of Services of the cluster; other hosts are refused", "spec.hosts")
    note = "mesh alone is as absent; others are refused: write an HTTPRoute whose parent is a Gateway"
    yield from differs(kind, note, "spec.gateways")
    yield from refused(kind, "a route is for all clients, or for those of its own namespace", "spec.exportTo")
    yield from refused(kind, "use a TCPRoute or a TLSRoute of a Gateway", "spec.tcp", "spec.tls")
    yield from exact(
        kind, f"{_MATCH}.uri.exact", f"{_MATCH}.method.exact", f"{_MATCH}.headers", f"{_MATCH}.queryParams"
    )
    yield from differs(kind, "by whole segments: /a is /a and /a/b, not /ab", f"{_MATCH}.uri.prefix")
    yield from differs(kind, "RE2, the whole path", f"{_MATCH}.uri.regex")
    yield from refused(kind, "the Gateway API compares paths with regard to case", f"{_MATCH}.ignoreUriCase")
    note = "a match of the Gateway API has no such condition: the route is left out"
    yield from refused(
        kind, note, f"{_MATCH}.method", f"{_MATCH}.scheme", f"{_MATCH}.authority", f"{_MATCH}.port",
        f"{_MATCH}.sourceLabels", f"{_MATCH}.sourceNamespace", f"{_MATCH}.gateways", f"{_MATCH}.withoutHeaders",
        f"{_MATCH}.statPrefix",
    )  # fmt: skip
    yield from differs(kind, "the name of the rule", f"{_MATCH}.name", f"{_HTTP}.name")


def _routes() -> Iterator[Field]:
    kind = VIRTUAL
    yield from differs(
        kind,
        "a Service; without a port the only one of its Service in these files",
        f"{_HTTP}.route[].destination.host",
    )
    yield from exact(kind, f"{_HTTP}.route[].destination.port.number", f"{_HTTP}.route[].weight")
    note = "Service HOST-SUBSET: the Service of these files with the subset's labels of its DestinationRule besides"
    yield from differs(kind, note, f"{_HTTP}.route[].destination.subset")
    yield from exact(kind, f"{_HTTP}.mirror", f"{_HTTP}.mirrors")
    yield from differs(kind, "whole percents; others are refused", f"{_HTTP}.mirrorPercentage")
    yield from exact(kind, f"{_HTTP}.timeout", f"{_HTTP}.headers.request", f"{_HTTP}.headers.response")
    yield from refused(kind, "set headers of the whole rule", f"{_HTTP}.route[].headers")
    yield from exact(kind, f"{_HTTP}.redirect.authority", f"{_HTTP}.redirect.redirectCode", f"{_HTTP}.redirect.scheme")
    yield from exact(kind, f"{_HTTP}.redirect.port", f"{_HTTP}.redirect.uri")
    yield from exact(kind, f"{_HTTP}.rewrite.authority")
    yield from differs(kind, "a prefix of whole segments is replaced", f"{_HTTP}.rewrite.uri")
    yield from exact(kind, f"{_HTTP}.retries.perTryTimeout")
    note = (
        "retry is in the experimental channel of the Gateway API: install that (podwire up --gateway-api experimental)"
    )
    yield from differs(kind, note, f"{_HTTP}.retries.attempts")
    yield from refused(kind, "statuses are in retry.codes of the HTTPRoute", f"{_HTTP}.retries.retryOn")
    yield from refused(kind, "an HTTPRoute has no such field", f"{_HTTP}.retries")
    note = "faults are of a Service: spec.fault of a BackendPolicy"
    yield from refused(kind, note, f"{_HTTP}.fault")
    note = "write the rule by hand: podwire does not convert it"
    yield from refused(
        kind, note, f"{_HTTP}.corsPolicy", f"{_HTTP}.delegate", f"{_HTTP}.directResponse", f"{_HTTP}.mirror_percent",
        f"{_HTTP}.rewrite.uriRegexRewrite", f"{_HTTP}.redirect.derivePort",
    )  # fmt: skip


def _destination_rule() -> Iterator[Field]:
    kind = DESTINATION
    yield from differs(kind, "the name of a Service of the cluster", "spec.host")
    pool = f"{_POLICY}.connectionPool"
    yield from differs(
        kind, "counted by the Envoy of each node", f"{pool}.tcp.maxConnections", f"{pool}.http.http1MaxPendingRequests",
        f"{pool}.http.http2MaxRequests", f"{pool}.http.maxRetries",
    )  # fmt: skip
    yield from refused(kind, "the mesh's connections have limits of their own", pool)
    outlier = f"{_POLICY}.outlierDetection"
    yield from exact(
        kind, f"{outlier}.consecutive5xxErrors", f"{outlier}.consecutiveGatewayErrors", f"{outlier}.interval",
        f"{outlier}.baseEjectionTime", f"{outlier}.maxEjectionPercent",
    )  # fmt: skip
    yield from differs(kind, "panicThresholdPercent: 0 is never", f"{outlier}.minHealthPercent")
    yield from refused(kind, "errors of connections count as the others", outlier)
    note = "endpoints get equal shares; PASSTHROUGH is refused"
    yield from differs(kind, note, f"{_POLICY}.loadBalancer.simple")
    note = "spec.locality of a BackendPolicy prefers the client's zone; consistent hashing and others are refused"
    yield from refused(kind, note, f"{_POLICY}.loadBalancer")
    note = "ISTIO_MUTUAL is always so between enrolled pods; others are refused: to other pods use a BackendTLSPolicy"
    yield from differs(kind, note, f"{_POLICY}.tls.mode")
    yield from refused(kind, "certificates are those of the mesh; to other pods: BackendTLSPolicy", f"{_POLICY}.tls")
    note = "a policy is of a Service: a BackendPolicy with sectionName is of one port"
    yield from refused(kind, note, f"{_POLICY}.portLevelSettings", f"{_POLICY}.tunnel", f"{_POLICY}.proxyProtocol")
    note = "a Service of its own, HOST-SUBSET, where the Service of the host is in the files"
    yield from differs(kind, note, "spec.subsets[].name", "spec.subsets[].labels")
    note = "the policy of the host is for all subsets: write a BackendPolicy of Service HOST-SUBSET"
    yield from refused(kind, note, "spec.subsets[].trafficPolicy")
    yield from refused(kind, "a BackendPolicy is for all clients", "spec.exportTo", "spec.workloadSelector")
