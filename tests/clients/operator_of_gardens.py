"""A kopf operator, run by `kopf run`: what an operator's author would write. It plants flowers as ConfigMaps."""

from __future__ import annotations

import os
from typing import Any

import kopf
import kubernetes

CORE: Any = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(os.environ["KUBECONFIG"]))


@kopf.on.startup()
def quick(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = "gardens.example.com/kopf"
    settings.networking.error_backoffs = [0.1, 0.2, 0.5, 1, 1, 1, 1, 1]
    settings.watching.reconnect_backoff = 0.1


@kopf.on.create("example.com", "v1", "gardens")
def plant(
    *, spec: kopf.Spec, name: str, namespace: str | None, retry: int, body: kopf.Body, **_: Any
) -> dict[str, Any]:
    """Succeeds at the second try: kopf keeps the first one's failure in the object."""
    if retry == 0:
        raise kopf.TemporaryError("the ground is still frozen", delay=0.2)
    bed = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"flower": spec["flower"]}}
    kopf.adopt(bed, owner=body)
    CORE.create_namespaced_config_map(namespace, bed)
    kopf.event(body, type="Normal", reason="Planted", message=f"{spec['flower']} is planted")
    return {"bed": name, "tries": retry + 1}


@kopf.on.update("example.com", "v1", "gardens", field="spec.flower")
def replant(*, old: Any, new: Any, name: str, namespace: str | None, patch: kopf.Patch, **_: Any) -> None:
    CORE.patch_namespaced_config_map(name, namespace, {"data": {"flower": new, "before": old}})
    patch.status["flower"] = new


@kopf.on.delete("example.com", "v1", "gardens")
def clear(*, name: str, namespace: str | None, **_: Any) -> None:
    note = {"metadata": {"name": f"{name}-was-cleared"}}
    CORE.create_namespaced_config_map(namespace, note)


@kopf.timer("example.com", "v1", "gardens", interval=0.5)
def grow(*, status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    patch.status["days"] = status.get("days", 0) + 1


@kopf.on.event("configmaps", labels={"weed": "yes"})
def weed(*, type: str, name: str, namespace: str | None, **_: Any) -> None:  # noqa: A002 - kopf names the arguments
    if type != "DELETED":
        CORE.delete_namespaced_config_map(name, namespace)
