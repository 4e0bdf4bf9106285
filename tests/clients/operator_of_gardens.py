"""A kopf operator, run by `kopf run`: what an operator's author would write. It plants flowers as ConfigMaps.

kopf calls a handler at least once: again where the API server ended before it stored the handler's success, and each
time that an object under deletion changes while one of its timers is at work. So each handler may be repeated.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import kopf
import kubernetes

CORE: Any = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(os.environ["KUBECONFIG"]))

SOON = 0.5
"""Seconds after which what failed is tried again; kopf's own 60 are more than the tests wait."""


@contextlib.contextmanager
def accepted(status: int) -> Iterator[None]:
    """Continue where the API server responds with this status: an earlier call did it already."""
    try:
        yield
    except kubernetes.client.ApiException as error:
        if error.status != status:
            raise


@kopf.on.startup()
def quick(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = "gardens.example.com/kopf"
    settings.networking.error_backoffs = [0.1, 0.2, 0.5, 1, 1, 1, 1, 1]
    settings.watching.reconnect_backoff = 0.1
    settings.background.cancellation_polling = SOON
    settings.queueing.error_delays = [SOON] * 100


@kopf.on.create("example.com", "v1", "gardens", backoff=SOON)
def plant(
    *, spec: kopf.Spec, name: str, namespace: str | None, retry: int, body: kopf.Body, **_: Any
) -> dict[str, Any]:
    """Succeeds at the second try: kopf keeps the first one's failure in the object."""
    if retry == 0:
        raise kopf.TemporaryError("the ground is still frozen", delay=0.2)
    bed = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"flower": spec["flower"]}}
    kopf.adopt(bed, owner=body)
    with accepted(409):
        CORE.create_namespaced_config_map(namespace, bed)
    kopf.event(body, type="Normal", reason="Planted", message=f"{spec['flower']} is planted")
    return {"bed": name, "tries": retry + 1}


@kopf.on.update("example.com", "v1", "gardens", field="spec.flower", backoff=SOON)
def replant(*, old: Any, new: Any, name: str, namespace: str | None, patch: kopf.Patch, **_: Any) -> None:
    CORE.patch_namespaced_config_map(name, namespace, {"data": {"flower": new, "before": old}})
    patch.status["flower"] = new


@kopf.on.delete("example.com", "v1", "gardens", backoff=SOON)
def clear(*, name: str, namespace: str | None, **_: Any) -> None:
    note = {"metadata": {"name": f"{name}-was-cleared"}}
    with accepted(409):
        CORE.create_namespaced_config_map(namespace, note)


@kopf.timer("example.com", "v1", "gardens", interval=0.5, backoff=SOON)
def grow(*, status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    patch.status["days"] = status.get("days", 0) + 1


@kopf.on.event("configmaps", labels={"weed": "yes"})
def weed(*, type: str, name: str, namespace: str | None, **_: Any) -> None:  # noqa: A002 - kopf names the arguments
    if type != "DELETED":
        with accepted(404):
            CORE.delete_namespaced_config_map(name, namespace)
