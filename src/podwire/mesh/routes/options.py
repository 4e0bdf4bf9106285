"""Options of the mesh: the `data` of the ConfigMap `podwire-system/podwire-mesh`; keys are those of Gateways."""

from __future__ import annotations

from collections.abc import Mapping

from podwire.edge.gateway.parameters import ParameterError, parse
from podwire.edge.model.tracing import Tracing
from podwire.kube.gateway_api import PROXIES
from podwire.kube.meta import NamespacedName

OPTIONS = NamespacedName(PROXIES, "podwire-mesh")
KEYS = ("tracing-collector", "tracing-percent")


def tracing(data: Mapping[str, str]) -> Tracing | None:
    """Return where spans of routed requests go; None: nowhere. Raises ParameterError."""
    for key in sorted(data.keys() - set(KEYS)):
        raise ParameterError(f"data[{key}] is not known: use {', '.join(KEYS)}")
    return parse(data).options.tracing
