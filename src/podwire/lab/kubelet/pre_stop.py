"""What a container asks to be done before it is stopped. Source: kubelet `lifecycle/handlers.go`."""

from __future__ import annotations

import asyncio
import math

from podwire.kube.core import Probe
from podwire.lab.kubelet.probe import Prober


async def pre_stop(prober: Prober, grace_seconds: float) -> str:
    """Do the preStop hook of the prober's container, if it has one; answers what went wrong, else nothing."""
    handler = prober.container.lifecycle.pre_stop
    if handler is None:
        return ""
    if handler.sleep is not None:
        await asyncio.sleep(min(handler.sleep.seconds, grace_seconds))
        return ""
    limit = max(1, math.ceil(grace_seconds))
    answer = await prober.ask(Probe(http_get=handler.http_get, exec=handler.exec, timeout_seconds=limit))
    return "" if answer.success else answer.message
