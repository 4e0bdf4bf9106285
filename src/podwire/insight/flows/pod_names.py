"""Ends of flows that a node did not know, named from the API: pods of other nodes, by their addresses. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from podwire.kube.meta import Object, Struct
from podwire.kube.pod_workloads import workload
from podwire.policy.flows.describing import LABELS
from podwire.policy.flows.record import Endpoint, Flow

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Address(Struct, frozen=True):
    ip: str = ""


class _Spec(Struct, frozen=True):
    host_network: bool = False


class _Status(Struct, frozen=True):
    pod_ips: tuple[_Address, ...] = msgspec.field(default=(), name="podIPs")
    start_time: str = ""


class NamedPod(Object, frozen=True):
    """A pod as far as its ends of flows are named."""

    spec: _Spec = _Spec()
    status: _Status = _Status()


class PodNames:
    """Pods by address. A pod counts for flows after its creation: earlier ones were of another pod."""

    def __init__(self, pods: Iterable[NamedPod] = ()) -> None:
        self._pods: dict[str, NamedPod] = {}
        for pod in sorted(pods, key=lambda pod: pod.metadata.creation_timestamp or ""):
            if not pod.spec.host_network:
                self._pods.update(dict.fromkeys((entry.ip for entry in pod.status.pod_ips), pod))

    def completed(self, flow: Flow) -> Flow:
        """Return the record with the ends that are known here."""
        source = flow.source if flow.source.pod_name else self._end(flow.addresses.source, flow.time)
        destination = (
            flow.destination if flow.destination.pod_name else self._end(flow.addresses.destination, flow.time)
        )
        if (source, destination) == (flow.source, flow.destination):
            return flow
        return msgspec.structs.replace(flow, source=source, destination=destination)

    def knows(self, flow: Flow) -> bool:
        """Whether both ends have names."""
        done = self.completed(flow)
        return bool(done.source.pod_name and done.destination.pod_name)

    def _end(self, address: str, time: str) -> Endpoint:
        pod = self._pods.get(address)
        if pod is None or (pod.metadata.creation_timestamp or "") > time:
            return Endpoint()
        labels = pod.metadata.labels
        return Endpoint(
            pod.metadata.namespace,
            tuple(f"k8s:{key}={labels[key]}" for key in sorted(labels)[:LABELS]),
            pod.metadata.name,
            (workload(pod.metadata.name, labels, pod.metadata.owner_references),),
        )
