"""The Services that select a pod, found without reading all Services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.kube.cache import Index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.kube.cache import Store
    from podwire.kube.core import Pod
    from podwire.kube.meta import NamespacedName
    from podwire.kube.services import Service
    from podwire.kube.watch import Change


class ServiceIndex:
    """Services by one label that every pod which they select has."""

    def __init__(self, services: Store[Service]) -> None:
        self._by_label = Index(services, _selector_key)

    def affected(self, change: Change[Pod]) -> Iterator[NamespacedName]:
        """Return the Services that select the pod before or after the change; one may come twice."""
        for pod in (change.old, change.new):
            if pod is not None:
                yield from self._selecting(pod)

    def _selecting(self, pod: Pod) -> Iterator[NamespacedName]:
        labels = pod.metadata.labels
        for label in labels.items():
            for service in self._by_label[pod.metadata.namespace, *label].values():
                if service.spec.selector.items() <= labels.items():
                    yield service.key


def _selector_key(service: Service) -> list[tuple[Any, ...]]:
    return [(service.metadata.namespace, *pair) for pair in sorted(service.spec.selector.items())[:1]]
