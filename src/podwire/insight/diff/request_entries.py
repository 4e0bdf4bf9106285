"""Where Ingresses and the routes of Gateways lead, as the proxies' own model has it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.edge.gateway.owners import Owner
from podwire.edge.ingress.kinds import Ingress, IngressBackend
from podwire.edge.model.backends import Cluster, WeightedBackend
from podwire.edge.model.routes import Forward, RouteName
from podwire.edge.model.routes import StreamRoute as Stream
from podwire.insight.diff.entries import Entry, Places
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.planned import objects_of
from podwire.insight.url.route_lines import wants
from podwire.insight.url.served import Served, served


def entries(snapshot: Snapshot) -> Places:
    """Return them all."""
    objects = objects_of(snapshot)
    found: Places = {}
    for item in objects.ingresses:
        place = objects.places.get(Owner("Ingress", item.key.namespace, item.key.name), "")
        found.update(dict.fromkeys(_of_ingress(item), place))
    for gateway in objects.edge.gateways.values():
        if objects.edge.is_ours(gateway):
            found.update(_of_gateway(served(gateway, objects.edge), objects))
    return found


def _of_ingress(item: Ingress) -> Iterator[Entry]:
    secured = {host for tls in item.spec.tls for host in tls.hosts}
    if item.spec.default_backend is not None:
        yield Entry("Ingress", str(item.key), "any host", _backend(item, item.spec.default_backend))
    for rule in item.spec.rules:
        scheme = "https" if rule.host in secured else "http"
        for path in rule.http.paths if rule.http is not None else ():
            url = f"{scheme}://{rule.host or '*'}{path.path or '/'} ({path.path_type or 'ImplementationSpecific'})"
            yield Entry("Ingress", str(item.key), url, _backend(item, path.backend))


def _backend(item: Ingress, one: IngressBackend) -> str:
    if one.service is None:
        return "a resource"
    return f"Service {item.metadata.namespace}/{one.service.name}:{one.service.port.number or one.service.port.name}"


def _of_gateway(found: Served, objects: UrlObjects) -> Places:
    clusters, places = found.clusters, {}
    for host, virtual in found.hosts.items():
        for route in virtual.routes if not virtual.misdirected else ():
            if isinstance(route.action, Forward):
                entry = f"{host.domain}:{host.port.port} of Gateway {found.gateway.key}, {wants(route.match)}"
                places.update(_shares(route.name, entry, route.action.backends, clusters, objects))
    for listener in found.ports:
        for chain in listener.chains:
            stream = getattr(chain.action, "route", None)
            if isinstance(stream, Stream):
                names = ", ".join(chain.server_names) or "any name"
                entry = f"{listener.port.port}/{listener.port.protocol} of Gateway {found.gateway.key}, {names}"
                places.update(_shares(stream.name, entry, stream.backends, clusters, objects))
    return places


def _shares(
    name: RouteName, entry: str, shares: tuple[WeightedBackend, ...], clusters: dict[str, Cluster], objects: UrlObjects
) -> Places:
    place = objects.places.get(Owner(name.kind, name.namespace, name.name), "")
    found: Places = {}
    total = sum(one.weight for one in shares)
    for one in shares:
        cluster = clusters.get(one.cluster)
        if cluster is not None and one.weight:
            port = cluster.port
            part = f" ({100 * one.weight / total:.3g} %)" if len(shares) > 1 else ""
            target = f"Service {port.namespace}/{port.service}:{port.port}{part}"
            found[Entry(name.kind, f"{name.namespace}/{name.name}", entry, target)] = place
    return found
