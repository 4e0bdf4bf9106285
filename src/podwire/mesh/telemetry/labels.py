"""Labels of Istio's metrics, from the tags of Envoy. Pure. Source: istio.io, "Istio Standard Metrics"."""

from __future__ import annotations

from collections.abc import Mapping

from podwire.kube.meta import NamespacedName
from podwire.mesh.telemetry import counted
from podwire.mesh.telemetry.surroundings import Peer, Surroundings

UNKNOWN = "unknown"
_NOBODY = Peer(UNKNOWN, UNKNOWN, "", None, is_local=False, is_encrypted=False)
_LEG = "envoy://"
"""Of the name of a connection inside Envoy, which ends in the address and port of the endpoint."""


def reports(name: str, tags: Mapping[str, str], known: Surroundings) -> tuple[dict[str, str], ...]:
    """Return the labels of each report: one Envoy counts a connection within its node, which is that of both sides."""
    found = labels(name, tags, known)
    within = found["connection_security_policy"] == counted.SAME_NODE and found["reporter"] == counted.DESTINATION
    return (found, {**found, "reporter": counted.SOURCE}) if within and name.startswith("tcp_") else (found,)


def labels(name: str, tags: Mapping[str, str], known: Surroundings) -> dict[str, str]:
    """Return the labels of a metric. What is not known for sure is `unknown`."""
    client = _checked(known.peer(tags.get(counted.CLIENT, "")), tags.get(counted.CLIENT_ID, ""))
    server = _checked(known.peer(host(tags.get(counted.SERVER, ""))), tags.get(counted.SERVER_ID, ""))
    is_request = not name.startswith("tcp_")
    security = _security(tags, client, server)
    service = _service(tags, server)
    found = {
        "reporter": tags.get(counted.REPORTER, UNKNOWN),
        "source_workload": client.workload,
        "source_workload_namespace": client.namespace,
        "source_principal": client.identity or UNKNOWN,
        "destination_workload": server.workload,
        "destination_workload_namespace": server.namespace,
        "destination_principal": (server.identity if security != counted.PLAIN else "") or UNKNOWN,
        "destination_service": f"{service.name}.{service.namespace}.svc" if service else UNKNOWN,
        "destination_service_name": service.name if service else UNKNOWN,
        "destination_service_namespace": service.namespace if service else UNKNOWN,
        "request_protocol": "http" if is_request else "tcp",
        "connection_security_policy": security,
    }
    if name not in counted.HISTOGRAMS:
        found["response_flags"] = tags.get(counted.FLAGS, "") or "-"
    if name == counted.REQUESTS:
        found["response_code"] = tags.get(counted.CODE, "") or "0"
        found["route"] = tags.get(counted.ROUTE, "") or UNKNOWN
    return found


def host(server: str) -> str:
    """Return the address of an endpoint: `10.0.0.1`, `10.0.0.1:80`, `[fd00::1]:80`, or one inside Envoy with these."""
    text = server.rpartition("/")[2] if server.startswith(_LEG) else server
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


def _checked(found: Peer | None, identity: str) -> Peer:
    """Return the pod; where TLS has shown another identity, that alone: the address is another pod's by now."""
    if found is not None and identity in ("", found.identity):
        return found
    return Peer(UNKNOWN, UNKNOWN, identity, None, is_local=False, is_encrypted=False) if identity else _NOBODY


def _security(tags: Mapping[str, str], client: Peer, server: Peer) -> str:
    """Return how a connection is secured: by its listener; of a request that was routed, by its endpoint."""
    if counted.SECURITY not in tags:
        if not server.is_encrypted:
            return counted.PLAIN
        return counted.SAME_NODE if server.is_local else counted.MUTUAL_TLS
    if tags.get(counted.REPORTER) == counted.DESTINATION and not (tags.get(counted.CLIENT_ID) or client.identity):
        return counted.PLAIN
    return tags[counted.SECURITY]


def _service(tags: Mapping[str, str], server: Peer) -> NamespacedName | None:
    """Return the Service that a route has chosen; where none was chosen that of the route; without routes the pod's."""
    for text in (tags.get(counted.BACKEND, ""), tags.get(counted.SERVICE, "")):
        parts = text.split("/")
        if len(parts) > 1:
            return NamespacedName(parts[0], parts[1])
    return server.service
