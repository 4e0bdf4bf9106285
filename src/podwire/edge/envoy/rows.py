"""From a row of the model to resources of Envoy, and to their names."""

from __future__ import annotations

from podwire.edge.envoy import cluster, endpoints, listener, named_host, secret, tracing, virtual_host
from podwire.edge.model.backends import Cluster, Endpoints, NamedHost
from podwire.edge.model.listeners import Listener
from podwire.edge.model.routes import VirtualHost
from podwire.edge.model.tls import Authorities, Certificate
from podwire.edge.model.tracing import Collector
from podwire.edge.xds.resource import Key, Resource

Row = Listener | VirtualHost | Cluster | NamedHost | Endpoints | Certificate | Authorities | Collector


def resources(row: Row) -> tuple[Resource, ...]:
    """Return the resources of a row: of a listener itself and its route tables, of others one."""
    match row:
        case Listener():
            return listener.listener(row)
        case VirtualHost():
            return (virtual_host.virtual_host(row),)
        case Cluster():
            return (cluster.cluster(row),)
        case NamedHost():
            return (named_host.cluster(row),)
        case Endpoints():
            return (endpoints.endpoints(row),)
        case Certificate():
            return (secret.certificate(row),)
        case Authorities():
            return (secret.authorities(row),)
        case Collector():
            return (tracing.collector(row),)


def keys(row: Row) -> tuple[Key, ...]:
    """Return the names of the resources of a row, without making them: those that a refusal comes back with."""
    match row:
        case Listener():
            return listener.keys(row)
        case VirtualHost():
            return (virtual_host.key(row),)
        case Cluster():
            return (cluster.key(row),)
        case NamedHost():
            return (named_host.key(row),)
        case Endpoints():
            return (endpoints.key(row),)
        case Certificate() | Authorities():
            return (secret.key(row),)
        case Collector():
            return (tracing.key(row),)
