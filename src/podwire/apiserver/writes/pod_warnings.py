"""Warnings of pod fields that may not do what is meant. Source: k8s.io/kubernetes `pkg/api/pod/warnings.go`."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import formats
from podwire.kube import quantities

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_path import Field

CONTAINERS = ("initContainers", "containers", "ephemeralContainers")

_DEPRECATED_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
_DEPRECATED_VOLUMES = {
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageOS": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_NO_PODS = "a null labelSelector results in matching no pod"
_WHOLE_BYTES = ("memory", "ephemeral-storage")


def of_spec(spec: Field) -> Iterator[str]:
    """The warnings of a pod's spec, also one in a template."""
    yield from _nodes(spec)
    for volume in spec["volumes"]:
        for kind, text in _DEPRECATED_VOLUMES.items():
            if volume[kind].given:
                yield f"{volume[kind].path}: {text}"
    yield from _repeated(spec["hostAliases"], "ip")
    yield from _repeated(spec["imagePullSecrets"], "name")
    for secret in spec["imagePullSecrets"]:
        if not secret["name"]:
            yield f'{secret["name"].path}: invalid empty name ""'
    containers = [container for part in CONTAINERS for container in spec[part]]
    for container in containers:
        yield from _amounts(container["resources"])
        yield from _variables(container["env"])
    yield from _ports(containers)
    yield from _port_names(containers)
    grace = spec["terminationGracePeriodSeconds"]
    if grace.number < 0:
        yield f"{grace.path}: must be >= 0; negative values are invalid and will be treated as 1"
    yield from _affinity(spec["affinity"])
    for address in (*spec["dnsConfig"]["nameservers"], *(alias["ip"] for alias in spec["hostAliases"])):
        yield from non_canonical(address)


def non_canonical(address: Field) -> Iterator[str]:
    """Warn of an IPv6 address that is not in its usual form."""
    parsed = formats.parse_address(address.text)
    if parsed is not None and parsed.version == 6 and str(parsed) != address.text:
        yield f'{address.path}: IPv6 address "{address.text}" should be in RFC 5952 canonical format ("{parsed}")'


def _nodes(spec: Field) -> Iterator[str]:
    for key in spec["nodeSelector"].value or {}:
        if key in _DEPRECATED_LABELS:
            yield f"{spec['nodeSelector'].key(key).path}: {_DEPRECATED_LABELS[key]}"
    for constraint in spec["topologySpreadConstraints"]:
        key = constraint["topologyKey"]
        if key.text in _DEPRECATED_LABELS:
            yield f"{key.path}: {key.text} is {_DEPRECATED_LABELS[key.text]}"
        if not constraint["labelSelector"].given:
            yield f"{constraint['labelSelector'].path}: {_NO_PODS}"


def _repeated(items: Field, part: str) -> Iterator[str]:
    seen: set[str] = set()
    for item in items:
        text = item[part].text
        if text in seen:
            yield f'{item[part].path}: duplicate {part} "{text}"'
        seen.add(text)


def _amounts(resources: Field) -> Iterator[str]:
    for name in _WHOLE_BYTES:
        for part in ("limits", "requests"):
            value = resources[part].key(name)
            if value.given and quantities.number(value.value) % 1:
                shown = quantities.canonical(value.value)
                yield f'{value.path}: fractional byte value "{shown}" is invalid, must be an integer'


def _variables(variables: Field) -> Iterator[str]:
    """Warn of a variable that hides one of its name, unless it is made of that one."""
    seen: set[str] = set()
    for variable in variables:
        name, value = variable["name"].text, variable["value"].text
        reference = f"$({name})"
        hides = variable["valueFrom"].given or value == reference or reference not in value
        if name in seen and hides:
            yield f'{variable.path}: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _ports(containers: list[Field]) -> Iterator[str]:
    held: dict[tuple[int, str], list[Field]] = defaultdict(list)
    for port in (port for container in containers for port in container["ports"]):
        if port["hostIP"] and not port["hostPort"]:
            yield f"{port.path}: hostIP set without hostPort: {_go_port(port)}"
        others = held[port["containerPort"].number, port["protocol"].text]
        for other in others:
            yield from _clash(port, other)
        others.append(port)


def _clash(port: Field, other: Field) -> Iterator[str]:
    address, number = port["hostIP"].text, port["hostPort"].number
    other_address, other_number = other["hostIP"].text, other["hostPort"].number
    if (address, number) == (other_address, other_number):
        yield f"{port.path}: duplicate port definition with {other.path}"
    elif number == 0 or other_number == 0:
        yield f"{port.path}: overlapping port definition with {other.path}"
    elif number == other_number and bool(address) != bool(other_address):
        yield f"{port.path}: dangerously ambiguous port definition with {other.path}"


def _port_names(containers: list[Field]) -> Iterator[str]:
    first: dict[str, Field] = {}
    for port in (port for container in containers for port in container["ports"]):
        name = port["name"].text
        if name and name in first:
            other = first[name].path
            yield (
                f'{port.path}: duplicate port name "{name}" with {other}, services and probes that select ports by '
                f"name will use {other}"
            )
        first.setdefault(name, port)


def _affinity(affinity: Field) -> Iterator[str]:
    for part in ("podAffinity", "podAntiAffinity"):
        for term in affinity[part]["requiredDuringSchedulingIgnoredDuringExecution"]:
            if not term["labelSelector"].given:
                yield f"{term['labelSelector'].path}: {_NO_PODS}"
        for weighted in affinity[part]["preferredDuringSchedulingIgnoredDuringExecution"]:
            selector = weighted["podAffinityTerm"]["labelSelector"]
            if not selector.given:
                yield f"{selector.path}: {_NO_PODS}"


def _go_port(port: Field) -> str:
    """A port as Go's `%+v` prints it."""
    value: dict[str, Any] = port.value
    return (
        f"{{Name:{value.get('name', '')} HostPort:{value.get('hostPort', 0)} "
        f"ContainerPort:{value.get('containerPort', 0)} Protocol:{value.get('protocol', '')} "
        f"HostIP:{value.get('hostIP', '')}}}"
    )
