"""Hooks of a container's lifecycle: a command, an HTTP request or a pause. Source: kubelet `lifecycle/handlers.go`."""

from __future__ import annotations

import asyncio
import math

from podwire.kube.core import LifecycleHandler, Probe
from podwire.lab.kubelet.probe import Prober


async def run_hook(prober: Prober, handler: LifecycleHandler | None, at_most_seconds: float) -> str:
    """Run a hook of the prober's container; return why it failed, else nothing."""
    if handler is None:
        return ""
    if handler.sleep is not None:
        await asyncio.sleep(min(handler.sleep.seconds, at_most_seconds))
        return ""
    limit = max(1, math.ceil(at_most_seconds))
    answer = await prober.probe(Probe(http_get=handler.http_get, exec=handler.exec, timeout_seconds=limit))
    return "" if answer.success else answer.message
