"""Which pods and Services the mesh serves, by labels. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from podwire.kube import mesh_labels

LABEL, ENABLED, DISABLED = mesh_labels.LABEL, mesh_labels.ENABLED, mesh_labels.DISABLED
ISTIO_LABEL = mesh_labels.ISTIO_LABEL

REDIRECTED = "podwire.dev/mesh-redirection"
"""Label of a pod, ENABLED once its node leads its connections to Envoy: others send it TLS from then on."""
NODE_PROXY = "podwire-mesh"
"""Name of the DaemonSet whose pods run the Envoys of the mesh, and their label `app.kubernetes.io/name`."""


def enrolled(labels: Mapping[str, str]) -> bool | None:
    """Return what labels of one object mean; None without meaning. podwire's own label counts before Istio's."""
    found = {ENABLED: True, DISABLED: False}.get(labels.get(LABEL, ""))
    if found is None:
        found = {mesh_labels.ISTIO_ENABLED: True, mesh_labels.ISTIO_DISABLED: False}.get(labels.get(ISTIO_LABEL, ""))
    return found


def pod_enrolled(
    pod: Mapping[str, str], namespace: Mapping[str, str], selectors: Iterable[Mapping[str, str]] = ()
) -> bool:
    """Whether a pod is enrolled: by its own labels, else by those of its namespace, or by a Service that selects it.

    `selectors`: of the Services of the namespace that are enrolled by labels of their own.
    """
    own = enrolled(pod)
    if own is not None:
        return own
    return bool(enrolled(namespace)) or any(one and one.items() <= pod.items() for one in selectors)


def service_enrolled(service: Mapping[str, str], namespace: Mapping[str, str]) -> bool:
    """Whether connections to a Service with these labels are carried by the mesh."""
    own = enrolled(service)
    return bool(enrolled(namespace)) if own is None else own
