"""What a new leader waits for: the Envoys of the one before it. Pure.

Until they are connected here nothing is known of what they serve: by a status written before, no Gateway would be
programmed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from podwire.edge.controller.fleet import PROXY_LABEL
from podwire.edge.controller.gateway_service import is_ready

if TYPE_CHECKING:
    from podwire.edge.xds.proxy import Proxies
    from podwire.kube.core import Pod

SECONDS = 10.0
"""The longest wait: an Envoy whose node is lost counts as ready for a time. Envoys try again within 2 seconds."""


def awaited(pods: Iterable[Pod], proxies: Proxies, *, is_derived: bool) -> frozenset[str]:
    """Return the ready Envoys that are not connected here, or have not reported what they hold.

    What an Envoy refuses does not count. `is_derived`: whether each proxy that a Gateway needs is there.
    """
    found: set[str] = set()
    ready: dict[str, set[str]] = {}
    for pod in pods:
        if is_ready(pod) and pod.metadata.deletion_timestamp is None:
            ready.setdefault(pod.metadata.labels.get(PROXY_LABEL, ""), set()).add(pod.metadata.name)
    for name, envoys in ready.items():
        proxy = proxies.get(name)
        if proxy is None:
            found |= set() if is_derived else envoys
            continue
        absent = envoys - proxy.envoys()
        keys = () if absent else [one.key for one in proxy.snapshot if not proxy.refusal(one.key)]
        found |= absent or envoys & proxy.lacking(keys)
    return frozenset(found)
