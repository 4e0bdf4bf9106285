"""Labels that enrol namespaces, Services and pods in the mesh, and values of them that mean nothing.

Sources: `podwire.dev/mesh` is podwire's own; istio.io/docs/ambient/usage/add-workloads for `istio.io/dataplane-mode`.
"""

from __future__ import annotations

from collections.abc import Mapping

LABEL, ENABLED, DISABLED = "podwire.dev/mesh", "enabled", "disabled"
ISTIO_LABEL, ISTIO_ENABLED, ISTIO_DISABLED = "istio.io/dataplane-mode", "ambient", "none"

_VALUES = {LABEL: (ENABLED, DISABLED), ISTIO_LABEL: (ISTIO_ENABLED, ISTIO_DISABLED)}


def ignored(labels: Mapping[str, str]) -> str:
    """Return what is wrong with the value of an enrolment label, and the remedy; empty where nothing is."""
    for label, values in _VALUES.items():
        value = labels.get(label)
        if value is not None and value not in values:
            return f"label {label}={value} has no effect: write {label}={values[0]} or {label}={values[1]}"
    return ""
