"""Services and Endpoints. Source: k8s.io/kubernetes `pkg/apis/core/validation` ValidateService, ValidateEndpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import field_errors, formats, object_meta

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

PROTOCOLS = ("SCTP", "TCP", "UDP")
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
LONGEST_AFFINITY = 86400
"""Seconds."""

_MODE_ANNOTATION = "service.kubernetes.io/topology-mode"
_HINTS_ANNOTATION = "service.kubernetes.io/topology-aware-hints"
_RANGES_ANNOTATION = "service.beta.kubernetes.io/load-balancer-source-ranges"
_ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_ONCE = "may not change once set"


def validate(service: Field, old: Field | None) -> Iterator[Cause]:
    """Check a Service after its addresses were allocated."""
    spec = service["spec"]
    if old is not None:
        yield from _update(spec, old["spec"])
    yield from _annotations(service, old)
    yield from _type(spec)
    names: set[str] = set()
    for port in spec["ports"]:
        yield from _port(port, names, required=len(spec["ports"]) > 1)
    yield from object_meta.check_labels(spec["selector"])
    yield from _affinity(spec)
    before = None if old is None else old["spec"]
    yield from addresses(spec, before)
    for address in spec["externalIPs"]:
        special = formats.special_address(address.text) if formats.parse_address(address.text) else []
        yield from address.invalid_each(_address(address.text, _values(before, "externalIPs")) or special)
    yield from spec["type"].one_of(TYPES)
    yield from _port_pairs(spec)
    yield from _load_balancer(spec, before)
    yield from _traffic(spec)


def is_headless(spec: Field) -> bool:
    """Whether a Service has no cluster address (`clusterIP: None`)."""
    return bool(spec["clusterIPs"].value == ["None"])


def needs_health_check(spec: Field) -> bool:
    """Whether nodes report to balancers if they have endpoints: on healthCheckNodePort."""
    return spec["type"].text == "LoadBalancer" and spec["externalTrafficPolicy"].text == "Local"


def addresses(spec: Field, old: Field | None) -> Iterator[Cause]:
    """Check clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy against each other; `old` is the spec before."""
    if spec["type"].text == "ExternalName":
        return
    yield from _first_address(spec)
    yield from _families(spec)
    wrong = [
        cause
        for position, address in enumerate(spec["clusterIPs"])
        if (position, address.text) != (0, "None")
        for cause in address.invalid_each(_address(address.text, _values(old, "clusterIPs")))
    ]
    if len(spec["clusterIPs"]) > 1 and spec["clusterIPs"].value[0] == "None":
        wrong.append(spec["clusterIPs"].invalid("'None' must be the first and only value"))
    yield from wrong
    if len(spec["clusterIPs"]) > 2:
        yield spec["clusterIPs"].invalid("may only hold up to 2 values")
    if not wrong and not is_headless(spec):
        yield from _address_families(spec)


def endpoints(obj: Field) -> Iterator[Cause]:
    """Check an Endpoints object."""
    for subset in obj["subsets"]:
        if not subset["addresses"] and not subset["notReadyAddresses"]:
            yield subset.required("must specify `addresses` or `notReadyAddresses`")
        for part in ("addresses", "notReadyAddresses"):
            for address in subset[part]:
                ip = address["ip"]
                yield from ip.invalid_each(formats.address(ip.text) or formats.special_address(ip.text))
                if address["hostname"]:
                    yield from address["hostname"].invalid_each(formats.dns_label(address["hostname"].text))
                if address["nodeName"].given:
                    yield from address["nodeName"].invalid_each(formats.dns_subdomain(address["nodeName"].text))
        for port in subset["ports"]:
            if len(subset["ports"]) > 1 and not port["name"]:
                yield port["name"].required()
            elif port["name"]:
                yield from port["name"].invalid_each(formats.dns_label(port["name"].text))
            yield from port["port"].invalid_each(formats.port_number(port["port"].number))
            yield from port["protocol"].one_of(PROTOCOLS)
            if port["appProtocol"].given:
                yield from port["appProtocol"].invalid_each(formats.label_key(port["appProtocol"].text))


def _type(spec: Field) -> Iterator[Cause]:
    kind = spec["type"].text
    if not spec["ports"] and not is_headless(spec) and kind != "ExternalName":
        yield spec["ports"].required()
    if kind in {"LoadBalancer", "NodePort"} and is_headless(spec):
        yield field_errors.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        for part in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec[part]:
                yield spec[part].forbidden("may not be set for ExternalName services")
        name = spec["externalName"].text.removesuffix(".")
        if name:
            yield from spec["externalName"].invalid_each(formats.dns_subdomain(name))
        else:
            yield spec["externalName"].required()


def _port(port: Field, names: set[str], *, required: bool) -> Iterator[Cause]:
    name = port["name"]
    if required and not name:
        yield name.required()
    elif name:
        yield from name.invalid_each(formats.dns_label(name.text))
        if name.text in names:
            yield name.duplicate()
        names.add(name.text)
    yield from (field_errors.invalid(port["port"].path, port["port"].number, text) for text in _number(port["port"]))
    yield from port["protocol"].one_of(PROTOCOLS)
    if port["targetPort"].given:
        yield from port["targetPort"].invalid_each(formats.port(port["targetPort"].value))
    if port["appProtocol"].given:
        yield from port["appProtocol"].invalid_each(formats.label_key(port["appProtocol"].text))


def _number(port: Field) -> list[str]:
    return formats.port_number(port.number)


def _port_pairs(spec: Field) -> Iterator[Cause]:
    """Refuse the same port or node port twice for one protocol."""
    ports: set[tuple[str, int]] = set()
    node_ports: set[tuple[str, int]] = set()
    for port in spec["ports"]:
        protocol = port["protocol"].text
        if port["nodePort"]:
            if spec["type"].text == "ClusterIP":
                yield port["nodePort"].forbidden("may not be used when `type` is 'ClusterIP'")
            if (protocol, port["nodePort"].number) in node_ports:
                yield port["nodePort"].duplicate()
            node_ports.add((protocol, port["nodePort"].number))
        if (protocol, port["port"].number) in ports:
            yield field_errors.duplicate(port.path, _shown_port(protocol, port["port"].number))
        ports.add((protocol, port["port"].number))


def _shown_port(protocol: str, number: int) -> dict[str, Any]:
    """A port as upstream's message shows it: the fields of its internal type."""
    return {"Name": "", "Protocol": protocol, "AppProtocol": None, "Port": number, "TargetPort": 0, "NodePort": 0}


def _annotations(service: Field, old: Field | None) -> Iterator[Cause]:
    """Check annotations that fields have replaced."""
    annotations = service["metadata"]["annotations"]
    mode, hints = annotations.key(_MODE_ANNOTATION), annotations.key(_HINTS_ANNOTATION)
    if mode.given and hints.given and mode.value != hints.value:
        yield mode.invalid(f"must match annotations[{_HINTS_ANNOTATION}] when both are specified")
    ranges = annotations.key(_RANGES_ANNOTATION)
    if not ranges.given or service["spec"]["loadBalancerSourceRanges"]:
        return
    if service["spec"]["type"].text != "LoadBalancer":
        yield ranges.forbidden(_ONLY_LOAD_BALANCER)
    held = None if old is None else old["metadata"]["annotations"].key(_RANGES_ANNOTATION).value
    if ranges.value != held and ranges.text.strip():
        for network in map(str.strip, ranges.text.split(",")):
            yield from (field_errors.invalid(ranges.path, network, text) for text in formats.network(network))


def _affinity(spec: Field) -> Iterator[Cause]:
    yield from spec["sessionAffinity"].one_of(("ClientIP", "None"))
    config = spec["sessionAffinityConfig"]
    if spec["sessionAffinity"].text == "None" and config.given:
        yield config.forbidden("must not be set when session affinity is None")
    if spec["sessionAffinity"].text == "ClientIP":
        timeout = config["clientIP"]["timeoutSeconds"]
        if not timeout.given:
            yield config.required(f"when session affinity type is {spec['sessionAffinity'].text}")
        elif not 0 < timeout.number <= LONGEST_AFFINITY:
            yield timeout.invalid(f"must be greater than 0 and less than {LONGEST_AFFINITY}")


def _first_address(spec: Field) -> Iterator[Cause]:
    first, every = spec["clusterIP"], spec["clusterIPs"]
    if first and not every:
        yield every.required()
    elif first and every.value[0] != first.value:
        yield every.invalid("first value must match `clusterIP`")
    elif not first and every:
        yield every.invalid("must be empty when `clusterIP` is not specified")


def _families(spec: Field) -> Iterator[Cause]:
    seen: set[str] = set()
    for family in spec["ipFamilies"]:
        if family.text not in {"IPv4", "IPv6"}:
            yield family.unsupported(("IPv4", "IPv6"))
        if family.text in seen:
            yield family.duplicate()
        seen.add(family.text)
    if spec["ipFamilyPolicy"].given:
        yield from spec["ipFamilyPolicy"].one_of(("PreferDualStack", "RequireDualStack", "SingleStack"))


def _address_families(spec: Field) -> Iterator[Cause]:
    every = [family_of(address.text) for address in spec["clusterIPs"]]
    if len(every) != len(set(every)):
        yield spec["clusterIPs"].invalid("may specify no more than one IP for each IP family")
    for position, (address, desired) in enumerate(zip(spec["clusterIPs"], spec["ipFamilies"], strict=False)):
        if family_of(address.text) != desired.text and desired.text in {"IPv4", "IPv6"}:
            yield address.invalid(f"expected an {desired.text} value as indicated by `ipFamilies[{position}]`")


def family_of(address: str) -> str:
    """Return IPv4 or IPv6, the values of ipFamilies."""
    return "IPv6" if ":" in address else "IPv4"


def _address(value: str, held: tuple[str, ...]) -> list[str]:
    """What is wrong with an address; one that the object had is accepted, as older rules may have been wider."""
    return [] if value in held else formats.address(value)


def _values(spec: Field | None, name: str) -> tuple[str, ...]:
    return () if spec is None else tuple(entry.text for entry in spec[name])


def _load_balancer(spec: Field, old: Field | None) -> Iterator[Cause]:
    balances = spec["type"].text == "LoadBalancer"
    ranges = spec["loadBalancerSourceRanges"]
    if ranges and not balances:
        yield field_errors.forbidden("spec.LoadBalancerSourceRanges", _ONLY_LOAD_BALANCER)
    held = {text.strip() for text in _values(old, "loadBalancerSourceRanges")}
    for position, entry in enumerate(ranges):
        network = entry.text.strip()
        wrong = [] if network in held else formats.network(network)
        path = f"spec.LoadBalancerSourceRanges[{position}]"
        yield from (field_errors.invalid(path, network, text) for text in wrong)
    for part in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
        if spec[part].given and not balances:
            yield spec[part].forbidden(_ONLY_LOAD_BALANCER)
    if spec["loadBalancerClass"].given and balances:
        yield from spec["loadBalancerClass"].invalid_each(formats.label_key(spec["loadBalancerClass"].text))


def externally_accessible(spec: Field) -> bool:
    """Whether clients outside can connect: by node ports, load balancer addresses or external IPs."""
    kind = spec["type"].text
    return kind in {"LoadBalancer", "NodePort"} or (kind == "ClusterIP" and bool(spec["externalIPs"]))


def _traffic(spec: Field) -> Iterator[Cause]:
    external = spec["externalTrafficPolicy"]
    if externally_accessible(spec):
        yield from external.one_of(("Cluster", "Local"))
    elif external:
        yield external.invalid("may only be set for externally-accessible services")
    health = spec["healthCheckNodePort"]
    if needs_health_check(spec):
        yield from [health.required()] if not health else health.invalid_each(formats.port_number(health.number))
    elif health:
        yield health.invalid("may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'")
    if spec["type"].text != "ExternalName" or spec["internalTrafficPolicy"].given:
        yield from spec["internalTrafficPolicy"].one_of(("Cluster", "Local"))
    if spec["trafficDistribution"].given and spec["trafficDistribution"].value not in _DISTRIBUTIONS:
        yield spec["trafficDistribution"].unsupported(_DISTRIBUTIONS)


def _update(spec: Field, old: Field) -> Iterator[Cause]:
    if "ExternalName" not in {spec["type"].text, old["type"].text}:
        yield from _address_update(spec, old)
        if is_headless(spec) == is_headless(old) and not is_headless(spec):
            yield from _family_update(spec, old)
    both_balance = spec["type"].text == old["type"].text == "LoadBalancer"
    if both_balance and spec["loadBalancerClass"].value != old["loadBalancerClass"].value:
        yield spec["loadBalancerClass"].invalid(_ONCE)
    now, before = spec["healthCheckNodePort"], old["healthCheckNodePort"]
    if needs_health_check(spec) and needs_health_check(old) and now.value != before.value:
        yield now.forbidden(formats.IMMUTABLE)


def _address_update(spec: Field, old: Field) -> Iterator[Cause]:
    if is_headless(spec) and is_headless(old):
        return
    now, before = spec["clusterIPs"].value or [], old["clusterIPs"].value or []
    if before and not now:
        yield field_errors.invalid("spec.clusterIPs[0]", now, "primary clusterIP can not be unset")
    compared = len(before) if len(now) == len(before) else 1
    for position, (new, held) in enumerate(zip(now[:compared], before[:compared], strict=False)):
        if new != held:
            yield field_errors.invalid(f"spec.clusterIPs[{position}]", now, _ONCE)
    if len(before) > len(now) == 1 and spec["ipFamilyPolicy"].text != "SingleStack":
        yield spec["ipFamilyPolicy"].invalid("must be set to 'SingleStack' when releasing the secondary clusterIP")


def _family_update(spec: Field, old: Field) -> Iterator[Cause]:
    path, (now, before) = "spec.ipFamilies[0]", (spec["ipFamilies"].value or [], old["ipFamilies"].value or [])
    if len(now) == len(before):
        if now != before:
            yield field_errors.invalid(path, now, _ONCE)
        return
    if now and before and now[0] != before[0]:
        yield field_errors.invalid(path, spec["clusterIPs"].value or [], _ONCE)
    if len(before) > len(now):
        if not spec["clusterIPs"]:
            yield field_errors.invalid(path, now, "primary ipFamily can not be unset")
        if len(now) == 1 and spec["ipFamilyPolicy"].text != "SingleStack":
            yield spec["ipFamilyPolicy"].invalid("must be set to 'SingleStack' when releasing the secondary ipFamily")
