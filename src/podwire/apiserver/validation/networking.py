"""NetworkPolicies, Ingresses, IngressClasses. Source: k8s.io/kubernetes `pkg/apis/networking/validation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats, object_meta

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

PROTOCOLS = ("TCP", "UDP", "SCTP")
POLICY_TYPES = ("Ingress", "Egress")
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")

LONGEST_CONTROLLER = 250

_FORBIDDEN_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_FORBIDDEN_AT_ENDS = ("/..", "/.")


def network_policy(policy: Field, _old: Field | None) -> Iterator[Cause]:
    """Check a NetworkPolicy."""
    spec = policy["spec"]
    yield from object_meta.check_selector(spec["podSelector"])
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in spec[direction]:
            for port in rule["ports"]:
                yield from _policy_port(port)
            for peer in rule[peers]:
                yield from _peer(peer)
    if len(spec["policyTypes"]) > len(POLICY_TYPES):
        yield spec["policyTypes"].invalid("may not specify more than two policyTypes")
        return
    for kind in spec["policyTypes"]:
        if kind.text not in POLICY_TYPES:
            yield kind.unsupported(POLICY_TYPES)


def ingress(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check an Ingress."""
    spec = obj["spec"]
    if not spec["rules"] and not spec["defaultBackend"].given:
        yield field_errors.invalid(
            "spec", spec["rules"].value or [], "either `defaultBackend` or `rules` must be specified"
        )
    if spec["defaultBackend"].given:
        yield from _backend(spec["defaultBackend"])
    for rule in spec["rules"]:
        yield from _rule(rule)
    for tls in spec["tls"]:
        for host in tls["hosts"]:
            yield from host.invalid_each(_host(host.text))
        if tls["secretName"]:
            yield from tls["secretName"].invalid_each(formats.dns_subdomain(tls["secretName"].text))
    if spec["ingressClassName"].given:
        yield from spec["ingressClassName"].invalid_each(formats.dns_subdomain(spec["ingressClassName"].text))
    if old is None:
        yield from _class_annotation(obj)


def ingress_class(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check an IngressClass."""
    controller = obj["spec"]["controller"]
    if len(controller.text) > LONGEST_CONTROLLER:
        yield field_errors.too_long(controller.path, LONGEST_CONTROLLER)
    if not controller:
        yield controller.required()
    else:
        yield from controller.invalid_each(formats.domain_prefixed_path(controller.text))
    if obj["spec"]["parameters"].given:
        yield from _parameters(obj["spec"]["parameters"])
    if old is not None and controller.value != old["spec"]["controller"].value:
        yield controller.invalid(formats.IMMUTABLE)


def _parameters(parameters: Field) -> Iterator[Cause]:
    scope, namespace = parameters["scope"], parameters["namespace"]
    if parameters["apiGroup"].given:
        yield from parameters["apiGroup"].invalid_each(formats.dns_subdomain(parameters["apiGroup"].text))
    for part in ("kind", "name"):
        yield from _segment(parameters[part])
    if not scope.given:
        yield scope.required()
    elif scope.value not in {"Cluster", "Namespace"}:
        yield scope.unsupported(("Cluster", "Namespace"))
    elif scope.text == "Namespace" and not namespace.given:
        yield namespace.required("`parameters.scope` is set to 'Namespace'")
    elif scope.text == "Namespace":
        yield from namespace.invalid_each(formats.dns_label(namespace.text))
    elif namespace.given:
        yield namespace.forbidden("`parameters.scope` is set to 'Cluster'")


def service_cidr(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a ServiceCIDR; of an existing one, a second range may be added."""
    ranges = obj["spec"]["cidrs"]
    held = ranges.value if old is None else old["spec"]["cidrs"].value or []
    if old is None or (len(held), len(ranges)) == (1, 2):
        yield from _ranges(ranges)
    elif len(held) != len(ranges):
        yield ranges.invalid(formats.IMMUTABLE)
        return
    for now, before in zip(ranges, held or (), strict=False):
        if now.value != before:
            yield now.invalid(formats.IMMUTABLE)


def _ranges(ranges: Field) -> Iterator[Cause]:
    if not ranges:
        yield ranges.required("at least one CIDR required")
    elif len(ranges) > 2:
        yield field_errors.invalid(ranges.path, {"CIDRs": ranges.value}, "may only hold up to 2 values")
    else:
        for one in ranges:
            yield from one.invalid_each(formats.canonical_network(one.text))
        families = [":" in one.text for one in ranges]
        if len(families) != len(set(families)):
            yield ranges.invalid(
                "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
            )


def ip_address(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check an IPAddress."""
    parent = obj["spec"]["parentRef"]
    if not parent.given:
        yield parent.required()
        return
    if parent["group"]:
        yield from parent["group"].invalid_each(formats.dns_subdomain(parent["group"].text))
    for part in ("resource", "name"):
        yield from _segment(parent[part])
    if parent["namespace"]:
        yield from parent["namespace"].invalid_each(formats.path_segment(parent["namespace"].text))
    if old is not None and parent.value != old["spec"]["parentRef"].value:
        yield parent.invalid(formats.IMMUTABLE)


def _segment(name: Field) -> Iterator[Cause]:
    yield from [name.required()] if not name else name.invalid_each(formats.path_segment(name.text))


def _policy_port(port: Field) -> Iterator[Cause]:
    if port["protocol"].given and port["protocol"].text not in PROTOCOLS:
        yield port["protocol"].unsupported(PROTOCOLS)
    number, end = port["port"], port["endPort"]
    if not number.given and end.given:
        yield end.invalid("may not be specified when `port` is not specified")
    elif isinstance(number.value, int):
        yield from number.invalid_each(formats.port_number(number.value))
        if end.given and end.number < number.value:
            yield end.invalid("must be greater than or equal to `port`")
        if end.given:
            yield from end.invalid_each(formats.port_number(end.number))
    elif number.given:
        if end.given:
            yield end.invalid("may not be specified when `port` is non-numeric")
        yield from number.invalid_each(formats.port_name(number.text))


def _peer(peer: Field) -> Iterator[Cause]:
    block, selectors = peer["ipBlock"], [peer["podSelector"], peer["namespaceSelector"]]
    for selector in selectors:
        yield from object_meta.check_selector(selector)
    if block.given:
        yield from _block(block)
    elif not any(selector.given for selector in selectors):
        yield peer.required("must specify a peer")
    if block.given and any(selector.given for selector in selectors):
        yield peer.forbidden("may not specify both ipBlock and another peer")


def _block(block: Field) -> Iterator[Cause]:
    if not block["cidr"]:
        yield block["cidr"].required()
        return
    yield from block["cidr"].invalid_each(formats.network(block["cidr"].text))
    whole = formats.parse_network(block["cidr"].text)
    if whole is None:
        return
    for hole in block["except"]:
        yield from hole.invalid_each(formats.network(hole.text))
        inner = formats.parse_network(hole.text)
        if inner is None:
            continue
        inside = inner.network_address in whole and inner.prefixlen > whole.prefixlen
        if not inside:
            yield hole.invalid("must be a strict subset of `cidr`")


def _rule(rule: Field) -> Iterator[Cause]:
    if rule["host"]:
        yield from rule["host"].invalid_each(_host(rule["host"].text))
        if formats.parse_address(rule["host"].text) is not None:
            yield rule["host"].invalid("must be a DNS name, not an IP address")
    if rule["http"].given:
        if not rule["http"]["paths"]:
            yield rule["http"]["paths"].required()
        for path in rule["http"]["paths"]:
            yield from _path(path)


def _path(path: Field) -> Iterator[Cause]:
    kind, text = path["pathType"], path["path"].text
    if not kind.given:
        yield kind.required("pathType must be specified")
        return
    if kind.text not in PATH_TYPES:
        yield kind.unsupported(PATH_TYPES)
    elif not text.startswith("/") and (text or kind.text != "ImplementationSpecific"):
        yield field_errors.invalid(path["path"].path, text, "must be an absolute path")
    if kind.text in {"Exact", "Prefix"}:
        yield from (path["path"].invalid(f"must not contain '{part}'") for part in _FORBIDDEN_IN_PATHS if part in text)
        yield from (
            path["path"].invalid(f"cannot end with '{end}'") for end in _FORBIDDEN_AT_ENDS if text.endswith(end)
        )
    yield from _backend(path["backend"])


def _backend(backend: Field) -> Iterator[Cause]:
    service, other = backend["service"], backend["resource"]
    if service.given and other.given:
        yield field_errors.invalid(backend.path, "", "cannot set both resource and service backends")
    elif service.given:
        if service["name"]:
            yield from service["name"].invalid_each(formats.dns_label(service["name"].text))
        else:
            yield service["name"].required()
        yield from _backend_port(backend, service["port"])
    elif other.given:
        if other["apiGroup"].given:
            yield from other["apiGroup"].invalid_each(formats.dns_subdomain(other["apiGroup"].text))
        for part in ("kind", "name"):
            yield from _segment(other[part])
    else:
        yield field_errors.invalid(backend.path, "", "resource or service backend is required")


def _backend_port(backend: Field, port: Field) -> Iterator[Cause]:
    if port["name"] and port["number"]:
        yield field_errors.invalid(backend.path, "", "cannot set both port name & port number")
    elif port["name"]:
        yield from port["name"].invalid_each(formats.port_name(port["name"].text))
    elif port["number"]:
        yield from port["number"].invalid_each(formats.port_number(port["number"].number))
    else:
        yield backend.required("port name or number is required")


def _host(host: str) -> list[str]:
    return formats.wildcard_subdomain(host) if "*" in host else formats.dns_subdomain(host)


def _class_annotation(obj: Field) -> Iterator[Cause]:
    annotation = obj["metadata"]["annotations"]["kubernetes.io/ingress.class"]
    name = obj["spec"]["ingressClassName"]
    if annotation.given and name.given and annotation.value != name.value:
        yield field_errors.invalid(
            "annotations.kubernetes.io/ingress.class",
            annotation.value,
            "must match `ingressClassName` when both are specified",
        )
