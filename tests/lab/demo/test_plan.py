"""The demo's table and the manifests in examples/shop say the same: judged by the policy model, before any packet."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
import yaml

from podwire.controllers.workloads.replicaset_plan import pod_body
from podwire.kube.apps import Deployment, ReplicaSet, ReplicaSetSpec
from podwire.kube.core import Namespace, Pod
from podwire.kube.kinds import REPLICA_SETS
from podwire.kube.meta import Object, ObjectMeta
from podwire.kube.networking import NetworkPolicy
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.lab.demo.plan import Expected, Probe, Via, Workload, probes, uncontrolled
from podwire.policy.model import IPAddress, Party
from podwire.policy.verdict import verdict
from podwire.policy.view import View

SHOP = Path(__file__).parents[3] / "examples" / "shop"
DNS = Workload("kube-system", "kube-dns")
ObjectT = TypeVar("ObjectT", bound=Object)


def manifests() -> list[dict[str, Any]]:
    return [body for path in sorted(SHOP.glob("*.yaml")) for body in yaml.safe_load_all(path.read_text())]


def of(kind: type[ObjectT]) -> Iterator[ObjectT]:
    for body in manifests():
        if body["kind"] == kind.__name__:
            yield msgspec.convert(body, kind)


class Cluster:
    """One pod for each Deployment, and the DNS pod, as policies see them."""

    def __init__(self) -> None:
        self.view = View("node-1")
        self.addresses: dict[Workload, IPAddress] = {}
        self._numbers = itertools.count(1)
        for namespace in (*of(Namespace), Namespace(metadata=ObjectMeta(name="kube-system"))):
            labels = {**namespace.metadata.labels, "kubernetes.io/metadata.name": namespace.metadata.name}
            metadata = msgspec.structs.replace(namespace.metadata, labels=labels)
            self.view.namespace_changed(Change(None, msgspec.structs.replace(namespace, metadata=metadata)))
        for policy in of(NetworkPolicy):
            self.view.policy_changed(Change(None, policy))
        for deployment in of(Deployment):
            self._add(deployment.metadata, pod_of(deployment))
        dns = {"metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}}
        self._add(ObjectMeta(name="kube-dns", namespace="kube-system"), dns)

    def _add(self, workload: ObjectMeta, body: dict[str, Any]) -> None:
        address = f"10.244.2.{next(self._numbers)}"
        body = {**body, "status": {"phase": "Running", "podIPs": [{"ip": address}]}}
        pod = msgspec.convert(body, Pod)
        metadata = msgspec.structs.replace(pod.metadata, uid=address)
        spec = msgspec.structs.replace(pod.spec, node_name="node-2")
        self.view.pod_changed(Change(None, msgspec.structs.replace(pod, metadata=metadata, spec=spec)))
        self.addresses[Workload(workload.namespace, workload.name)] = ipaddress.ip_address(address)

    def allows(self, source: Workload, target: Workload, port: int, protocol: str) -> bool:
        return verdict(self.view, self._party(source), self._party(target), protocol, port).allowed

    def _party(self, workload: Workload) -> Party:
        return self.view.party(self.addresses[Workload(workload.namespace, workload.name)])


def pod_of(deployment: Deployment) -> dict[str, Any]:
    spec = ReplicaSetSpec(template=deployment.spec.template)
    return pod_body(REPLICA_SETS, ReplicaSet(metadata=deployment.metadata, spec=spec), f"{deployment.metadata.name}-1")


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


@pytest.mark.parametrize("probe", probes(), ids=lambda probe: probe.id)
def test_the_policies_say_what_the_table_says(cluster: Cluster, probe: Probe) -> None:
    target = DNS if probe.via is Via.NAME_ONLY else probe.target
    allowed = cluster.allows(probe.source, target, probe.port, probe.protocol)
    assert allowed == (probe.expected is Expected.ALLOW)


def test_each_deny_has_a_target_that_somebody_else_may_reach() -> None:
    questions = probes()
    assert uncontrolled(questions) == []
    lonely = [p for p in questions if p.expected is Expected.DENY]
    assert uncontrolled(lonely) == lonely


def test_probes_are_distinct_and_of_both_kinds() -> None:
    questions = probes()
    assert len({probe.id for probe in questions}) == len(questions)
    assert sum(probe.expected is Expected.DENY for probe in questions) >= 12
    assert sum(probe.expected is Expected.ALLOW for probe in questions) >= 8


def test_workloads_and_ports_are_those_of_the_manifests() -> None:
    replicas = {(d.metadata.namespace, d.metadata.name): d.spec.replicas for d in of(Deployment)}
    ports = {(s.metadata.namespace, s.metadata.name, port.port) for s in of(Service) for port in s.spec.ports}
    for probe in probes():
        for workload in (probe.source, probe.target):
            assert replicas[workload.namespace, workload.name] == workload.replicas
        if probe.via is not Via.NAME_ONLY:
            assert (probe.target.namespace, probe.target.name, probe.port) in ports
