"""Manifests as an ephemeral world gets them: what the network sees, and nothing that keeps a pod from running. Pure.

A pod keeps what policies, Services and DNS read: labels, ports with their names, hostNetwork, host names. Its programs,
volumes, probes, secrets and wishes about nodes are left out, so that each container is a stand-in on its own ports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from podwire.insight.sources.manifests import Manifest
from podwire.insight.verify import mesh_objects

IMAGE = "pause"
"""A stand-in of this image listens on declared ports and those of Services only."""
MOST_ORDERED_REPLICAS = 5
"""Of a StatefulSet: policies can select its pods by ordinal."""
_APPS, _BATCH = "apps", "batch"
WORKLOADS = frozenset(
    {
        ("", "Pod"), ("", "ReplicationController"), (_APPS, "Deployment"), (_APPS, "ReplicaSet"),
        (_APPS, "StatefulSet"), (_APPS, "DaemonSet"), (_BATCH, "Job"), (_BATCH, "CronJob"),
    }
)  # fmt: skip
PLAIN = (
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy.networking.k8s.io", "ClusterNetworkPolicy"),
    ("", "Service"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("", "Endpoints"),
    *mesh_objects.KINDS,
)
"""Kinds that are applied as they are, but for addresses that only their own cluster could give; in this order."""
_POD_FIELDS = ("hostNetwork", "hostname", "subdomain", "dnsPolicy", "dnsConfig", "hostAliases", "setHostnameAsFQDN")
_SERVICE_ADDRESSES = ("clusterIPs", "loadBalancerIP", "loadBalancerClass", "healthCheckNodePort")


class Applied(msgspec.Struct, frozen=True):
    """One object to create. `place` is where it is written, empty where it follows from others."""

    kind: tuple[str, str]
    body: Mapping[str, Any]
    place: str = ""

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.body["metadata"].get("namespace", ""))

    @property
    def name(self) -> str:
        """The object as messages name it."""
        metadata = self.body["metadata"]
        return f"{self.kind[1]} {'/'.join(filter(None, (self.namespace, str(metadata.get('name', '')))))}"


def stages(manifests: Iterable[Manifest], nodes: int) -> tuple[tuple[Applied, ...], ...]:
    """Return the objects in stages: each may be created when those before it are: policies before any pod."""
    given = tuple(manifests)
    plain = tuple(Applied(one.kind, _plain(one), one.place) for kind in PLAIN for one in given if one.kind == kind)
    of_pods = [one for one in given if one.kind in WORKLOADS]
    workloads = tuple(Applied(_run_as(one.kind), _workload(one, nodes), one.place) for one in of_pods)
    accounts: tuple[Applied, ...] = ()
    if any(one.kind in mesh_objects.KINDS for one in given):
        workloads, accounts = _identified(of_pods, workloads)
    namespaces = {one.value["metadata"]["name"]: one for one in given if one.kind == ("", "Namespace")}
    used = {one.namespace for one in (*plain, *workloads)} - namespaces.keys() - {"", "default", "kube-system"}
    made = [Applied(("", "Namespace"), {"metadata": {"name": name}}) for name in sorted(used)]
    written = [Applied(one.kind, {"metadata": _metadata(one)}, one.place) for one in namespaces.values()]
    return tuple(filter(None, (tuple(written + made), (*plain, *accounts), workloads)))


def _identified(
    of_pods: Iterable[Manifest], workloads: Iterable[Applied]
) -> tuple[tuple[Applied, ...], tuple[Applied, ...]]:
    """Return workloads whose pods have their ServiceAccounts, by which the mesh knows them, and these accounts."""
    made: list[Applied] = []
    accounts: dict[str, Applied] = {}
    for manifest, one in zip(of_pods, workloads, strict=True):
        name = mesh_objects.account_of(manifest.value, manifest.kind[1])
        body = mesh_objects.with_account(one.body, one.kind[1], name) if name else one.body
        made.append(msgspec.structs.replace(one, body=body))
        if name:
            account = Applied(mesh_objects.ACCOUNT, {"metadata": {"name": name, "namespace": one.namespace}})
            accounts[account.name] = account
    return tuple(made), tuple(accounts.values())


def left_out(manifests: Iterable[Manifest]) -> list[str]:
    """The kinds that an ephemeral world does not get, with their number."""
    given = tuple(manifests)
    known = {*WORKLOADS, *PLAIN, ("", "Namespace")}
    if any(one.kind in mesh_objects.KINDS for one in given):
        known.add(mesh_objects.ACCOUNT)
    counts: dict[str, int] = {}
    for one in given:
        if one.kind not in known:
            counts[one.kind[1]] = counts.get(one.kind[1], 0) + 1
    return [f"{count} {kind}" for kind, count in sorted(counts.items())]


def pods_of(workloads: Iterable[Applied], nodes: int) -> int:
    """How many pods these workloads have in the world."""
    counts = (nodes if one.kind[1] == "DaemonSet" else int(one.body["spec"].get("replicas", 1)) for one in workloads)
    return sum(counts)


def _plain(manifest: Manifest) -> dict[str, Any]:
    body = {key: value for key, value in manifest.value.items() if key not in {"apiVersion", "kind", "status"}}
    body["metadata"] = _metadata(manifest, namespaced=manifest.kind[1] != "ClusterNetworkPolicy")
    if manifest.kind == ("", "Service") and isinstance(body.get("spec"), Mapping):
        kept = {key: value for key, value in body["spec"].items() if key not in _SERVICE_ADDRESSES}
        if kept.get("clusterIP") != "None":
            kept.pop("clusterIP", None)
        body["spec"] = kept
    return body


def _metadata(manifest: Manifest, *, namespaced: bool = False) -> dict[str, Any]:
    given = manifest.value.get("metadata")
    given = given if isinstance(given, Mapping) else {}
    kept = {key: given[key] for key in ("name", "labels", "annotations") if given.get(key)}
    if namespaced:
        kept["namespace"] = given.get("namespace") or "default"
    return kept


def _run_as(kind: tuple[str, str]) -> tuple[str, str]:
    """A CronJob's pods are those of a Job that runs now."""
    return (_BATCH, "Job") if kind == (_BATCH, "CronJob") else kind


def _workload(manifest: Manifest, nodes: int) -> dict[str, Any]:
    spec = _mapping(manifest.value, "spec")
    metadata = _metadata(manifest, namespaced=True)
    kind = manifest.kind[1]
    if kind == "Pod":
        return {"metadata": metadata, "spec": _pod_spec(spec, kind)}
    source = _mapping(_mapping(spec, "jobTemplate"), "spec") if kind == "CronJob" else spec
    template = _mapping(source, "template")
    given = _mapping(template, "metadata")
    made: dict[str, Any] = {
        "template": {
            "metadata": {key: given[key] for key in ("labels", "annotations") if given.get(key)},
            "spec": _pod_spec(_mapping(template, "spec"), kind),
        }
    }
    if kind in {"Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"}:
        desired = source.get("replicas")
        most = MOST_ORDERED_REPLICAS if kind == "StatefulSet" else nodes
        made["replicas"] = min(max(desired if isinstance(desired, int) else 1, 1), most)
    if kind == "StatefulSet":
        made |= {"serviceName": source.get("serviceName") or "", "podManagementPolicy": "Parallel"}
    if kind not in {"Job", "CronJob"} and "selector" in source:
        made["selector"] = source["selector"]
    return {"metadata": metadata, "spec": made}


def _pod_spec(spec: Mapping[str, Any], kind: str) -> dict[str, Any]:
    sidecars = [one for one in _containers(spec, "initContainers") if one.get("restartPolicy") == "Always"]
    running = [*_containers(spec, "containers"), *sidecars]
    kept = {key: spec[key] for key in _POD_FIELDS if key in spec}
    policy = {"restartPolicy": "Never"} if kind in {"Job", "CronJob"} else {}
    return {**kept, **policy, "terminationGracePeriodSeconds": 0, "containers": [_container(one) for one in running]}


def _containers(spec: Mapping[str, Any], field: str) -> Iterator[Mapping[str, Any]]:
    found = spec.get(field)
    return (one for one in found if isinstance(one, Mapping)) if isinstance(found, list) else iter(())


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    """Name and ports; a port of the node is left out, as two stand-ins could not share it."""
    ports = [
        {key: value for key, value in port.items() if key not in {"hostPort", "hostIP"}}
        for port in container.get("ports") or ()
        if isinstance(port, Mapping)
    ]
    return {"name": container.get("name", ""), "image": IMAGE, **({"ports": ports} if ports else {})}


def _mapping(value: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = value.get(field)
    return found if isinstance(found, Mapping) else {}
