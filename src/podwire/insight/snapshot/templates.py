"""The workloads that written objects make: of templates, of pods, and of pods whose owner is written too. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

import msgspec

from podwire.insight.snapshot.stateful_sets import OWN_LABELS, apart
from podwire.insight.snapshot.workload import VOLATILE, Owner, Workload, owner_of, place_of
from podwire.insight.snapshot.written import decoded, key_of
from podwire.insight.sources.manifests import Manifest, Path
from podwire.kube.core import ContainerPort, Node, Pod, PodSpec

TEMPLATES: Mapping[tuple[str, str], Path] = {
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("", "ReplicationController"): ("spec", "template"),
    ("batch", "Job"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
"""Where each kind has the template of its pods."""
_Sameness = tuple[Owner, tuple[tuple[str, str], ...], tuple[tuple[ContainerPort, ...], ...], bool]
_JOB_NAMES = ("batch.kubernetes.io/job-name", "job-name")


class _Template(msgspec.Struct, frozen=True):
    metadata: Any = None
    spec: PodSpec = PodSpec()


class _Ordinals(msgspec.Struct, frozen=True):
    start: int = 0


class _StatefulSetSpec(msgspec.Struct, frozen=True, rename="camel"):
    service_name: str = ""
    ordinals: _Ordinals | None = None


class _TemplateMeta(msgspec.Struct, frozen=True):
    labels: dict[str, str] = {}


def has_template(value: Mapping[str, Any]) -> bool:
    """Whether an object of any kind has a template of pods where a Deployment has it."""
    found: Any = value
    for part in ("spec", "template", "spec", "containers"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return isinstance(found, list)


def of_template(one: Manifest, value: Mapping[str, Any], nodes: Iterable[Node], read: Set[str]) -> Iterator[Workload]:
    """Yield the pods of a written workload; one value for each pod of a StatefulSet whose own labels are read."""
    path = TEMPLATES[one.kind]
    template: Any = value
    for part in path:
        template = template.get(part) if isinstance(template, Mapping) else None
    found = decoded(template or {}, _Template, one, path)
    labels = decoded(found.metadata or {}, _TemplateMeta, one, (*path, "metadata")).labels
    owner = Owner(one.kind[1], key_of(value))
    if owner.kind == "Job":
        labels = {**dict.fromkeys(_JOB_NAMES, owner.key.name), **labels}
    replicas = _replicas(one, value, nodes)
    if owner.kind == "StatefulSet":
        yield from _of_stateful_set(one, value, Workload(owner, labels, found.spec, replicas), read)
    else:
        yield Workload(owner, labels, found.spec, replicas)


def _of_stateful_set(one: Manifest, value: Mapping[str, Any], whole: Workload, read: Set[str]) -> Iterator[Workload]:
    """Yield its pods, whose subdomain is the Service that it names."""
    found = decoded(value.get("spec") or {}, _StatefulSetSpec, one, ("spec",))
    start = found.ordinals.start if found.ordinals is not None else 0
    spec = msgspec.structs.replace(whole.spec, subdomain=found.service_name or whole.spec.subdomain)
    made = msgspec.structs.replace(whole, spec=spec, first=start)
    yield from apart(made) if read & OWN_LABELS else (made,)


def _replicas(one: Manifest, value: Mapping[str, Any], nodes: Iterable[Node]) -> int:
    spec = value.get("spec") or {}
    if one.kind[1] == "DaemonSet":
        return sum(True for _ in nodes) or 1
    field = {"Job": "parallelism", "CronJob": ""}.get(one.kind[1], "replicas")
    given = spec.get(field)
    return 1 if given is None else decoded(given, int, one, ("spec", field))


def of_pods(pods: Iterable[Pod], read: Set[str]) -> Iterator[Workload]:
    """Yield the workloads of pods that exist or are written: those with the same owner, labels and ports are one."""
    grouped: defaultdict[_Sameness, list[Pod]] = defaultdict(list)
    unread = VOLATILE - read
    for pod in pods:
        labels = tuple(sorted((key, value) for key, value in pod.metadata.labels.items() if key not in unread))
        ports = tuple(one.ports for one in (*pod.spec.containers, *pod.spec.init_containers))
        grouped[owner_of(pod), labels, ports, pod.spec.host_network].append(pod)
    for (owner, same, *_), found in grouped.items():
        yield Workload(owner, dict(same), found[0].spec, len(found), tuple(map(place_of, found)))
