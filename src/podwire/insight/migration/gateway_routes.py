"""Ingresses as Gateway API: a Gateway, HTTPRoutes, and what cannot be expressed there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from podwire.edge.ingress.annotations import templates
from podwire.edge.ingress.annotations.settings import DEFAULTS, Settings
from podwire.edge.ingress.escaped_slashes import PROTECTING
from podwire.edge.ingress.kinds import HTTPIngressPath, IngressBackend
from podwire.edge.ingress.location_routes import PERMANENT_REDIRECT
from podwire.edge.ingress.servers import Claim
from podwire.insight.migration.ingresses import Written
from podwire.kube.gateway_api import GROUP
from podwire.kube.services import Service

Object = dict[str, Any]

Ports = Mapping[tuple[str, str, str], int]

EMPTY: Ports = {}
GATEWAY = "ingress"
_OF_BACKENDS = "proxy_ssl"
_TAIL = re.compile(r"(?P<prefix>/[A-Za-z0-9._~/-]*?)/?(?:\(/\|\$\)\(\.\*\)|\(\.\*\))")
"""A prefix followed by the groups that tutorials write for what is kept of the path."""
_SAID = frozenset(
    (
        "app_root", "rewrite_target", "use_regex", "ssl_redirect", "force_ssl_redirect", "permanent_redirect",
        "permanent_redirect_code", "temporal_redirect", "temporal_redirect_code", "enable_cors", "cors_allow_origin",
        "cors_allow_methods", "cors_allow_headers", "cors_expose_headers", "cors_allow_credentials", "cors_max_age",
        "canary", "canary_by_header", "canary_by_header_value", "canary_by_header_pattern", "canary_weight",
        "canary_weight_total", "upstream_vhost", "server_alias",
    )
)  # fmt: skip
"""Settings that have a field in Gateway API."""


class Converted(msgspec.Struct, frozen=True):
    """The objects, and what of the Ingresses they do not have: each a text with the place."""

    objects: tuple[Object, ...]
    unsaid: tuple[str, ...] = ()


def converted(found: Iterable[Written], class_name: str = "podwire", ports: Ports = EMPTY) -> Converted:
    """Return Gateway API objects that do what the Ingresses do, as far as it can be expressed.

    An Ingress that checks clients is left out: its routes would be open. `ports` are the numbers of named ports.
    """
    found = tuple(found)
    canaries = [one for one in found if one.claim.settings.canary]
    namespace = found[0].claim.item.metadata.namespace
    work = _Conversion(canaries, namespace, ports)
    objects: list[Object] = [_gateway(found, namespace, class_name), *_grants(found, namespace)]
    unsaid = work.unsaid
    for one in found:
        if one.claim.settings.canary:
            continue
        if _is_protected(one.claim):
            unsaid.append(
                f"{one.place}: Ingress {one.claim.item.key} is left out: it checks clients, and an HTTPRoute does not"
            )
        else:
            objects += work.routes(one)
    for one in found:
        unsaid += _unsaid(one)
    return Converted(tuple(objects), tuple(unsaid))


def named_ports(services: Iterable[Service]) -> Ports:
    """Return the numbers of the ports of Services by namespace, name and the port's name."""
    return {
        (one.metadata.namespace or "default", one.metadata.name, port.name): port.port
        for one in services
        for port in one.spec.ports
    }


def _is_protected(claim: Claim) -> bool:
    settings = claim.settings
    checks = (one for one in PROTECTING if not one.startswith(_OF_BACKENDS))
    return bool(claim.read.denied) or any(getattr(settings, one) != getattr(DEFAULTS, one) for one in checks)


def _gateway(found: Iterable[Written], namespace: str, class_name: str) -> Object:
    listeners: list[Object] = [{"name": "http", "protocol": "HTTP", "port": 80, **_open()}]
    for one in found:
        own = one.claim.item.metadata.namespace
        for host, secret in _certificates(one.claim):
            reference = {"name": secret, **({"namespace": own} if own != namespace else {})}
            tls = {"certificateRefs": [reference]}
            listener = {
                "name": _section(host),
                "protocol": "HTTPS",
                "port": 443,
                "hostname": host,
                "tls": tls,
                **_open(),
            }
            if listener not in listeners:
                listeners.append(listener)
    return _object("Gateway", GATEWAY, namespace, {"gatewayClassName": class_name, "listeners": listeners})


def _open() -> Object:
    return {"allowedRoutes": {"namespaces": {"from": "All"}}}


def _section(host: str) -> str:
    return f"https-{host.replace('*', 'any').replace('.', '-')}"


def _grants(found: Iterable[Written], namespace: str) -> Iterator[Object]:
    """Yield permission for the Gateway to use these certificates of other namespaces, and no other Secret."""
    named = {(one.claim.item.metadata.namespace, secret) for one in found for _, secret in _certificates(one.claim)}
    for other in sorted({one for one, _ in named} - {namespace}):
        source = {"group": GROUP, "kind": "Gateway", "namespace": namespace}
        secrets = [{"group": "", "kind": "Secret", "name": secret} for one, secret in sorted(named) if one == other]
        yield _object("ReferenceGrant", GATEWAY, other, {"from": [source], "to": secrets})


def _certificates(claim: Claim) -> Iterator[tuple[str, str]]:
    for tls in claim.item.spec.tls:
        for host in tls.hosts or claim.hosts:
            if tls.secret_name and host != "*":
                yield host, tls.secret_name


class _Conversion:
    """What cannot be expressed is collected while routes are made."""

    def __init__(self, canaries: Iterable[Written], gateway_namespace: str, ports: Ports) -> None:
        self._canaries = tuple(canaries)
        self._gateway_namespace = gateway_namespace
        self._ports = ports
        self.unsaid: list[str] = []

    def routes(self, one: Written) -> Iterator[Object]:
        """Yield the HTTPRoutes of an Ingress: one a host, and one that redirects to HTTPS."""
        item, settings = one.claim.item, one.claim.settings
        secured = {host for host, _ in _certificates(one.claim)}
        for number, rule in enumerate(item.spec.rules):
            rules = [
                made for path in (rule.http.paths if rule.http else ()) for made in self._rules(one, rule.host, path)
            ]
            if not rules:
                continue
            name = item.metadata.name if number == 0 else f"{item.metadata.name}-{number}"
            hosts = [*filter(None, (rule.host,)), *settings.server_alias]
            redirects = settings.force_ssl_redirect or (settings.ssl_redirect and rule.host in secured)
            section = _section(rule.host) if redirects and rule.host in secured else ""
            yield self._route(name, item.metadata.namespace, hosts, rules, section)
            if redirects:
                to_https = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
                self.unsaid.append(f"{one.place}: the redirect to HTTPS has status 301, not {PERMANENT_REDIRECT}")
                redirecting = [{"filters": [to_https]}]
                yield self._route(f"{name}-to-https", item.metadata.namespace, hosts, redirecting, "http")

    def _route(self, name: str, namespace: str, hosts: list[str], rules: list[Object], section: str) -> Object:
        parent: Object = {"name": GATEWAY}
        if namespace != self._gateway_namespace:
            parent["namespace"] = self._gateway_namespace
        if section:
            parent["sectionName"] = section
        named = {"hostnames": hosts} if hosts else {}
        return _object("HTTPRoute", name, namespace, {"parentRefs": [parent], **named, "rules": rules})

    def _rules(self, one: Written, host: str, path: HTTPIngressPath) -> Iterator[Object]:
        settings = one.claim.settings
        match, prefix = _match(path, settings)
        if match["type"] == "RegularExpression" and "$" in settings.rewrite_target:
            text = f"path {path.path}: rewrite-target {settings.rewrite_target} needs groups"
            self.unsaid.append(f"{one.place_of('rewrite_target')}: {text}")
        if settings.use_regex or settings.rewrite_target:
            text = f"path {path.path} is matched in any case by ingress-nginx, letter by letter here"
            self.unsaid.append(f"{one.place_of('use_regex', 'rewrite_target')}: {text}")
        if settings.app_root:
            at_root = {"path": {"type": "Exact", "value": "/"}}
            yield {"matches": [at_root], "filters": [_to_root(settings.app_root)]}
        filters = list(_filters(settings, prefix=prefix))
        if any(found["type"] == "RequestRedirect" for found in filters):
            yield {"matches": [{"path": match}], "filters": filters}
            return
        yield from self._forwarding(one, host, path, match, filters)

    def _forwarding(
        self, one: Written, host: str, path: HTTPIngressPath, match: Object, filters: list[Object]
    ) -> Iterator[Object]:
        backends = [self._backend(one, path.backend)]
        for canary in self._canaries:
            backend = _backend_of(canary, host, path)
            if backend is None:
                continue
            if canary.claim.item.metadata.namespace != one.claim.item.metadata.namespace:
                self.unsaid.append(f"{canary.place}: a canary of another namespace gets no requests")
                continue
            settings, other = canary.claim.settings, self._backend(canary, backend)
            for header in _canary_headers(settings):
                yield _rule({"path": match, "headers": [header]}, filters, [other])
            if settings.canary_weight:
                main = max(settings.canary_weight_total - settings.canary_weight, 0)
                backends = [{**backends[0], "weight": main}, {**other, "weight": settings.canary_weight}]
            break
        yield _rule({"path": match}, filters, backends)

    def _backend(self, one: Written, backend: IngressBackend) -> Object:
        """A named port without its Service in the files is left by its name, which the API refuses."""
        service = backend.service
        if service is None:
            self.unsaid.append(f"{one.place}: a backend that is no Service has no counterpart")
            return {"name": backend.resource.name if backend.resource else "", "port": 80}
        key = (one.claim.item.metadata.namespace, service.name, service.port.name)
        port = service.port.number or self._ports.get(key)
        if port is None:
            self.unsaid.append(f"{one.place}: port {service.port.name} of Service {service.name}: write its number")
        return {"name": service.name, "port": port or service.port.name}


def _match(path: HTTPIngressPath, settings: Settings) -> tuple[Object, bool]:
    """Return the match of a path, and whether a rewrite replaces its prefix."""
    value = path.path or "/"
    by_expression = settings.use_regex or (settings.rewrite_target not in {"", value})
    tail = _TAIL.fullmatch(value)
    if by_expression and tail and re.fullmatch(r"/?\$[12]", settings.rewrite_target):
        return {"type": "PathPrefix", "value": tail["prefix"].rstrip("/") or "/"}, True
    if by_expression:
        return {"type": "RegularExpression", "value": f"{value}.*"}, False
    return {"type": "Exact" if path.path_type == "Exact" else "PathPrefix", "value": value.rstrip("/") or "/"}, False


def _filters(settings: Settings, *, prefix: bool) -> Iterator[Object]:
    if found := settings.temporal_redirect or settings.permanent_redirect:
        target = templates.location(found)
        if target is None:
            return
        code = settings.temporal_redirect_code if settings.temporal_redirect else settings.permanent_redirect_code
        redirect: Object = {"scheme": target.scheme, "hostname": target.hostname, "statusCode": code}
        if target.port:
            redirect["port"] = target.port
        if not target.keeps_uri:
            redirect["path"] = {"type": "ReplaceFullPath", "replaceFullPath": target.path or "/"}
        yield {"type": "RequestRedirect", "requestRedirect": redirect}
        return
    rewrite: Object = {}
    if settings.upstream_vhost:
        rewrite["hostname"] = settings.upstream_vhost
    if prefix:
        rewrite["path"] = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    elif settings.rewrite_target and "$" not in settings.rewrite_target:
        rewrite["path"] = {"type": "ReplaceFullPath", "replaceFullPath": settings.rewrite_target}
    if rewrite:
        yield {"type": "URLRewrite", "urlRewrite": rewrite}
    if settings.enable_cors:
        yield {"type": "CORS", "cors": _cors(settings)}


def _cors(settings: Settings) -> Object:
    return {
        "allowOrigins": list(settings.cors_allow_origin),
        "allowMethods": list(settings.cors_allow_methods),
        "allowHeaders": list(settings.cors_allow_headers),
        "exposeHeaders": list(settings.cors_expose_headers),
        "allowCredentials": settings.cors_allow_credentials,
        "maxAge": settings.cors_max_age,
    }


def _canary_headers(settings: Settings) -> Iterator[Object]:
    name = settings.canary_by_header
    if name and settings.canary_by_header_pattern and not settings.canary_by_header_value:
        yield {"type": "RegularExpression", "name": name, "value": f".*(?:{settings.canary_by_header_pattern}).*"}
    elif name:
        yield {"type": "Exact", "name": name, "value": settings.canary_by_header_value or "always"}


def _backend_of(other: Written, host: str, path: HTTPIngressPath) -> IngressBackend | None:
    for rule in other.claim.item.spec.rules:
        for found in rule.http.paths if rule.http else ():
            if (rule.host, found.path, found.path_type) == (host, path.path, path.path_type):
                return found.backend
    return None


def _rule(match: Object, filters: list[Object], backends: list[Object]) -> Object:
    return {"matches": [match], **({"filters": filters} if filters else {}), "backendRefs": backends}


def _to_root(path: str) -> Object:
    target = {"type": "ReplaceFullPath", "replaceFullPath": path}
    return {"type": "RequestRedirect", "requestRedirect": {"path": target, "statusCode": 302}}


def _unsaid(one: Written) -> Iterator[str]:
    settings = one.claim.settings
    for field in Settings.__struct_fields__:
        if field not in _SAID and getattr(settings, field) != getattr(DEFAULTS, field):
            yield f"{one.place_of(field)}: {field.replace('_', '-')} has no field in Gateway API"
    for problem in one.claim.read.problems:
        yield f"{one.annotations.get(problem.annotation, one.place)}: {problem.message}"


def _object(kind: str, name: str, namespace: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "spec": spec}


def text(found: Converted) -> str:
    """Return the objects as YAML; what they do not have comes first, as comments."""
    from podwire.kube import yaml_output  # late: not every user of this module writes text

    comments = "".join(f"# {one}\n" for one in found.unsaid)
    head = f"# Not in the objects below:\n{comments}---\n" if comments else ""
    return head + yaml_output.blocks(msgspec.to_builtins(found.objects))
