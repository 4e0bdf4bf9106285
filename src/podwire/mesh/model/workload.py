"""Pods as the mesh sees them: addresses, identity, node, and whether connections to them are encrypted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping

import msgspec

from podwire.kube.addresses import IPAddress, usable
from podwire.kube.core import Pod
from podwire.kube.meta import NamespacedName
from podwire.redirection import enrolment

DEFAULT_SERVICE_ACCOUNT = "default"


class Workload(msgspec.Struct, frozen=True):
    """A pod with addresses of its own.

    Attributes:
        key: namespace and name of the pod.
        addresses: of the pod, at most one of each IP version.
        service_account: in the same namespace; with the namespace it is the identity.
        labels: of the pod, by which policies select it.
        node: where it runs.
        enrolled: whether the mesh carries its connections.
        named_ports: of its containers.
        redirected: whether its node has reported that connections to it pass an Envoy: they are encrypted then.

    """

    key: NamespacedName
    addresses: tuple[IPAddress, ...]
    service_account: str = DEFAULT_SERVICE_ACCOUNT
    labels: dict[str, str] = {}
    node: str = ""
    enrolled: bool = False
    redirected: bool = False
    named_ports: dict[str, int] = {}

    @property
    def namespace(self) -> str:
        """Namespace of the pod."""
        return self.key.namespace


def workload(
    pod: Pod, namespace: Mapping[str, str] | None, selectors: Iterable[Mapping[str, str]] = ()
) -> Workload | None:
    """Return a pod in a namespace with these labels as a workload; None for one without addresses of its own.

    `selectors`: of the namespace's enrolled Services. A pod in a namespace that is not known is not enrolled.
    """
    addresses = tuple(_addresses(pod.addresses))
    if pod.spec.host_network or pod.finished or not addresses:
        return None
    labels = dict(pod.metadata.labels)
    return Workload(
        pod.key,
        addresses,
        pod.spec.service_account_name or DEFAULT_SERVICE_ACCOUNT,
        labels,
        pod.spec.node_name,
        namespace is not None and enrolment.pod_enrolled(labels, namespace, selectors),
        labels.get(enrolment.REDIRECTED) == enrolment.ENABLED,
        {port.name: port.container_port for one in pod.spec.containers for port in one.ports if port.name},
    )


def _addresses(texts: Iterable[str]) -> Iterator[IPAddress]:
    return (address for address in map(usable, texts) if address is not None)


def doubtful(workloads: Iterable[Workload]) -> frozenset[IPAddress]:
    """Return the addresses that more than one of these pods has: which of them it is now is not known."""
    count = Counter(address for one in workloads for address in one.addresses)
    return frozenset(address for address, found in count.items() if found > 1)


def without(workloads: Iterable[Workload], addresses: Container[IPAddress]) -> Iterator[Workload]:
    """Yield pods without these addresses of theirs."""
    for one in workloads:
        kept = tuple(address for address in one.addresses if address not in addresses)
        yield one if kept == one.addresses else msgspec.structs.replace(one, addresses=kept)
