"""The Ingresses that get a request: the host that they make, and the way of the request through it. Pure.

Everything comes from the functions that the controller makes the proxy's configuration with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from podwire.edge.controller.fleet import PROXY_LABEL
from podwire.edge.gateway.gateway_proxy import INGRESS
from podwire.edge.ingress.certificates import HostCertificates, host_certificates
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.kinds import Ingress
from podwire.edge.ingress.listeners import HTTP, HTTPS, NAME, NAMESPACE
from podwire.edge.ingress.references import References
from podwire.edge.ingress.servers import ANY_HOST, Claim, Server, server
from podwire.edge.ingress.virtual_hosts import Hosts, further_names, virtual_hosts, virtual_hosts_of_name
from podwire.edge.model import choice
from podwire.edge.model.backends import Cluster
from podwire.edge.model.paths import without_escaped_slashes
from podwire.edge.model.routes import VirtualHost
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.passage import End, Passage
from podwire.insight.url.question import Question
from podwire.insight.url.report import Kind, Outcome
from podwire.kube.core import Pod
from podwire.kube.gateway_api import PROXIES
from podwire.kube.hostnames import contains, most_specific
from podwire.kube.ingress import CLASSES, CONTROLLER_NAME
from podwire.kube.meta import NamespacedName

SERVICE = NamespacedName(NAMESPACE, NAME)


class ServedHost(msgspec.Struct, frozen=True):
    """A host of Ingresses, as their proxy has it. `name` is that of the rules, also where an alias led to it."""

    name: str
    server: Server
    made: Hosts
    claims: tuple[Claim, ...]
    certificates: HostCertificates

    @property
    def clusters(self) -> Mapping[str, Cluster]:
        """The clusters of all routes, by name."""
        return {one.name: one for one in self.made.clusters if isinstance(one, Cluster)}


def served_host(question: Question, objects: UrlObjects) -> ServedHost | None:
    """Return the host of Ingresses that a request is for; None where no Ingress of podwire has one."""
    ours = held(objects)
    if not ours.claims or (question.is_address and question.host not in entry_addresses(objects)):
        return None
    host = question.request.host
    aliases = {
        alias: one
        for one in sorted(ours.hosts, reverse=True)
        for alias in further_names(server(one, ours.of_host(one)))
    }
    domains = {**aliases, **{one: one for one in ours.hosts}}
    best = most_specific(host, [one for one in domains if one != ANY_HOST]) or (ANY_HOST if ANY_HOST in domains else "")
    if not best:
        return None
    name = domains[best]
    found, others = server(name, ours.of_host(name)), server(ANY_HOST, ours.of_host(ANY_HOST))
    certificates = host_certificates(ours.claims.values(), objects.edge)
    made = virtual_hosts(
        found, References(objects.edge), has_certificate=certificates.of(name) is not None, others=others
    )
    if best != name:
        made = msgspec.structs.replace(made, hosts=virtual_hosts_of_name(found, made, best))
    return ServedHost(name, found, made, ours.of_host(name), certificates)


def passage(question: Question, found: ServedHost) -> Passage:
    """Return the way of the request through the proxy of Ingresses."""
    if question.port not in {HTTP, HTTPS} or (question.port == HTTPS) is not question.is_tls:
        text = f"no connection: Ingresses are served on ports {HTTP} (http) and {HTTPS} (https)"
        return Passage(ends=End("PortNotServed", Outcome(Kind.CLOSED, text), "Use http:// or https:// without a port."))
    if ".." in question.raw_path and without_escaped_slashes(question.raw_path) is not None:
        text = "the path has an escaped slash and .."
        return Passage(ends=_answered("EscapedSlash", 403, text, "Write the path without dot segments."))
    host = _table(question, found.made.hosts)
    tried = tuple(choice.tried(host, question.request))
    if any(one.is_taken for one in tried):
        return Passage(None, host, tried)
    text = f"no path of host {host.domain} matches"
    remedy = "Change the path, or add one to an Ingress, or spec.defaultBackend."
    return Passage(None, host, tried, _answered("NoPath", 404, text, remedy))


def fits(question: Question, objects: UrlObjects) -> bool:
    """Whether an Ingress names the host of the request, by itself or by a wildcard."""
    found = served_host(question, objects)
    return found is not None and found.name != ANY_HOST


def foreign(question: Question, objects: UrlObjects) -> Iterator[Ingress]:
    """Yield the Ingresses for the host which podwire does not serve."""
    ours = held(objects)
    for one in objects.ingresses:
        if not ours.is_ours(one) and any(
            rule.host and contains(rule.host.lower(), question.request.host) for rule in one.spec.rules
        ):
            yield one


def entry_addresses(objects: UrlObjects) -> tuple[str, ...]:
    """Return the addresses of the proxy of Ingresses, as their status has them."""
    found = (one.ip for item in objects.ingresses for one in item.status.load_balancer.ingress if one.ip)
    return tuple(dict.fromkeys(found))


def envoys(pods: Iterable[Pod]) -> tuple[Pod, ...]:
    """Return the pods of the proxy, by name."""
    found = (
        one
        for one in pods
        if one.metadata.namespace == PROXIES and one.metadata.labels.get(PROXY_LABEL) == INGRESS and not one.finished
    )
    return tuple(sorted(found, key=lambda one: one.metadata.name))


def held(objects: UrlObjects) -> Ingresses:
    """Return the Ingresses that podwire serves: in a world and in files those without a class and for nginx, too."""
    controllers = [name for _, name in CLASSES] if objects.serves_nginx else [CONTROLLER_NAME]
    found = Ingresses(controllers, without_class=objects.serves_nginx)
    for one in objects.ingress_classes:
        found.put_class(one)
    for item in objects.ingresses:
        found.put(item)
    return found


def _table(question: Question, hosts: Iterable[VirtualHost]) -> VirtualHost:
    """Return the host in the table of the port: plain HTTP comes first."""
    plain, encrypted = hosts
    return encrypted if question.is_tls else plain


def _answered(reason: str, status: int, text: str, remedy: str) -> End:
    return End(reason, Outcome(Kind.ANSWERED, f"{status}: {text}", status), remedy)
