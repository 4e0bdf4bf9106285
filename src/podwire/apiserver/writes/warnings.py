"""Warnings that an accepted write is answered with: what is deprecated, ignored, or hardly meant.

Source: k8s.io/kubernetes `pkg/registry/*/strategy.go` WarningsOnCreate, WarningsOnUpdate; `pkg/api/service`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import formats
from podwire.apiserver.base.field_path import Field
from podwire.apiserver.base.validation_cache import ValidationCache
from podwire.apiserver.validation import pods
from podwire.apiserver.writes import pod_warnings
from podwire.kube import mesh_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.kinds.resources import Resource

Object = dict[str, Any]

TEMPLATES = {
    ("", "ReplicationController"): ("template",),
    ("apps", "DaemonSet"): ("template",),
    ("apps", "Deployment"): ("template",),
    ("apps", "ReplicaSet"): ("template",),
    ("apps", "StatefulSet"): ("template",),
    ("batch", "CronJob"): ("jobTemplate", "spec", "template"),
    ("batch", "Job"): ("template",),
}
"""Where in the spec of a kind its pod template is."""

_clean_specs = ValidationCache(after=pods.right_specs)

_ENROLLED = frozenset({("", "Namespace"), ("", "Pod"), ("", "Service")})
_POD_NAMES = frozenset({"CronJob", "Deployment", "Job", "ReplicaSet"})
_NAMED = "which can result in surprising behavior; a DNS label is recommended"
_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_HINTS_ANNOTATION = "service.kubernetes.io/topology-aware-hints"


def of_write(resource: Resource, obj: Object, old: Object | None) -> tuple[str, ...]:
    """The warnings of a stored object; `old` is what it was before, None for a new one."""
    if resource.custom is not None:
        return ()
    return (*_enrolment(resource, obj, old), *_of_kind(resource, obj, old))


def _enrolment(resource: Resource, obj: Object, old: Object | None) -> Iterator[str]:
    """Of labels that are meant to enrol in the mesh and do not, where this write sets them."""
    if (resource.group, resource.kind) in _ENROLLED:
        labels = obj["metadata"].get("labels") or {}
        if (found := mesh_labels.ignored(labels)) and (old is None or labels != old["metadata"].get("labels")):
            yield f"metadata.labels: {found}"
    steps = TEMPLATES.get((resource.group, resource.kind))
    if steps is None or (old is not None and old.get("spec") == obj["spec"]):
        return
    template = Field("", obj)["spec"]
    for step in steps:
        template = template[step]
    if found := mesh_labels.ignored(template["metadata"]["labels"].value or {}):
        yield f"{template.path}.metadata.labels: {found}"


def _of_kind(resource: Resource, obj: Object, old: Object | None) -> tuple[str, ...]:
    new = Field("", obj)
    match resource.group, resource.kind:
        case "", "Pod":
            # An update of a pod comes from programs rather than people: upstream has no warnings for it.
            return () if old is not None else (*_name(new, "the Pod's hostname"), *_pods(new["spec"]))
        case "", "Service":
            return tuple(_service(new))
        case "", "Endpoints":
            return tuple(_endpoints(new))
        case "discovery.k8s.io", "EndpointSlice":
            return tuple(_slice(new, old))
        case "networking.k8s.io", "Ingress" if old is None:
            return tuple(_ingress(new))
        case group, kind if (group, kind) in TEMPLATES:
            return tuple(_workload(new, kind, TEMPLATES[group, kind], old))
        case _:
            return ()


def _workload(obj: Field, kind: str, steps: tuple[str, ...], old: Object | None) -> Iterator[str]:
    if old is None and kind in _POD_NAMES:
        yield from _name(obj, "Pod names and hostnames")
    changed = old is None or old.get("spec") != obj["spec"].value
    if changed:
        template = obj["spec"]
        for step in steps:
            template = template[step]
        yield from _pods(template["spec"])
    if kind == "StatefulSet" and obj["spec"]["revisionHistoryLimit"].number < 0:
        yield (
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
        )


def _pods(spec: Field) -> list[str]:
    return _clean_specs.check(spec.value, lambda: tuple(pod_warnings.of_spec(spec)))


def _name(obj: Field, where: str) -> Iterator[str]:
    wrong = formats.dns_label(obj["metadata"]["name"].text)
    if wrong:
        yield f"metadata.name: this is used in {where}, {_NAMED}: [{' '.join(wrong)}]"


def _service(obj: Field) -> Iterator[str]:
    spec, annotations = obj["spec"], obj["metadata"]["annotations"].value or {}
    kind, headless = spec["type"].text, spec["clusterIP"].text == "None"
    outside = spec["externalIPs"]
    if _HINTS_ANNOTATION in annotations:
        yield f"annotation {_HINTS_ANNOTATION} is deprecated, please use service.kubernetes.io/topology-mode instead"
    for address in () if headless else spec["clusterIPs"]:
        yield from pod_warnings.non_canonical(address)
    if headless and kind == "ClusterIP":
        yield from _headless(spec)
    for address in outside:
        yield from pod_warnings.non_canonical(address)
    if outside and not headless and kind != "ExternalName":
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec["loadBalancerIP"]:
        yield from pod_warnings.non_canonical(spec["loadBalancerIP"])
    for block in spec["loadBalancerSourceRanges"]:
        yield from _non_canonical_network(block)
    if kind == "ExternalName" and outside:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if kind != "ExternalName" and spec["externalName"]:
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec["trafficDistribution"].text == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def of_status(resource: Resource, obj: Object) -> tuple[str, ...]:
    """The warnings of a stored status."""
    if (resource.group, resource.kind) != ("", "Service"):
        return ()
    points = Field("status", obj.get("status"))["loadBalancer"]["ingress"]
    addresses = (Field(point.path, point["ip"].value) for point in points)
    return tuple(text for address in addresses for text in pod_warnings.non_canonical(address))


def _headless(spec: Field) -> Iterator[str]:
    for part in ("loadBalancerIP", "externalIPs"):
        if spec[part]:
            yield f"spec.{part} is ignored for headless services"
    if spec["sessionAffinity"].text != "None":
        yield "spec.SessionAffinity is ignored for headless services"


def _non_canonical_network(block: Field) -> Iterator[str]:
    parsed = formats.parse_network(block.text)
    if parsed is not None and parsed.version == 6 and str(parsed) != block.text:
        yield f'{block.path}: IPv6 CIDR value "{block.text}" should be in RFC 5952 canonical format ("{parsed}")'


def _endpoints(obj: Field) -> Iterator[str]:
    for subset in obj["subsets"]:
        for part in ("addresses", "notReadyAddresses"):
            for address in subset[part]:
                yield from pod_warnings.non_canonical(address["ip"])


def _slice(obj: Field, old: Object | None) -> Iterator[str]:
    kind = obj["addressType"].text
    if kind == "FQDN" and old is None:
        yield "spec.addressType: FQDN endpoints are deprecated"
    if kind == "IPv6":
        for endpoint in obj["endpoints"]:
            for address in endpoint["addresses"]:
                yield from pod_warnings.non_canonical(address)


def _ingress(obj: Field) -> Iterator[str]:
    if _CLASS_ANNOTATION in (obj["metadata"]["annotations"].value or {}):
        yield f"annotation \"{_CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"
