"""What manifests need before their world works: Ingresses served, Gateways programmed, pods in the mesh."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Get = Callable[..., str]
"""Standard output of `kubectl get` with these words; empty where it fails."""

_INGRESSES = (
    "{range .items[*]}{.metadata.namespace}/{.metadata.name}|{.spec.ingressClassName}|"
    r"{.metadata.annotations.kubernetes\.io/ingress\.class}|{.status.loadBalancer.ingress[0].ip}"
    '{"\\n"}{end}'
)
_GATEWAYS = (
    "{range .items[*]}{.metadata.namespace}/{.metadata.name}|{.spec.gatewayClassName}|"
    '{.status.conditions[?(@.type=="Programmed")].status}{"\\n"}{end}'
)


@dataclass(frozen=True, slots=True)
class Need:
    """Something that is waited for; `pending` returns the names of what is not there yet."""

    progress: str
    pending: Callable[[Get], list[str]]
    failure: str
    """Text for the first pending name, `{}`."""


def reader(kubectl: str, environment: Mapping[str, str]) -> Get:
    """Return the Get of a kubectl and the environment in which it talks to a world."""

    def get(*words: str) -> str:
        command = [kubectl, "get", *words, "--all-namespaces"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    return get


def needs(applied: str) -> tuple[Need, ...]:
    """Return what objects need. `applied` is the output of `kubectl apply`: Gateways are read only where it has one.

    A request for Gateways would make a world without one store their kinds.
    """
    has_gateway = any(line.startswith("gateway.gateway.networking.k8s.io/") for line in applied.splitlines())
    return (INGRESSES, *((GATEWAYS,) if has_gateway else ()), MESH)


def _ingresses(get: Get) -> list[str]:
    from podwire.kube.ingress import CLASSES

    served = {"", *(name for name, _ in CLASSES)}
    rows = (line.split("|") for line in get("ingress", "-o", f"jsonpath={_INGRESSES}").splitlines())
    return [name for name, own, older, address in rows if (own or older) in served and not address]


def _gateways(get: Get) -> list[str]:
    """The Gateways of podwire's own class that are not programmed."""
    rows = (line.split("|") for line in get("gateways", "-o", f"jsonpath={_GATEWAYS}").splitlines())
    return [name for name, own, programmed in rows if own == "podwire" and programmed != "True"]


def _mesh(get: Get) -> list[str]:
    found = get("namespaces,services,pods", "-o", "json")
    return outside_of_mesh(json.loads(found)["items"]) if found else []


def outside_of_mesh(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the running pods that are enrolled and whose node does not lead their connections to Envoy yet. Pure."""
    from podwire.redirection.enrolment import ENABLED, REDIRECTED, enrolled, pod_enrolled

    namespaces = {_name(one): _labels(one) for one in items if one["kind"] == "Namespace"}
    selectors: dict[str, list[Mapping[str, str]]] = {}
    for one in items:
        if one["kind"] == "Service" and enrolled(_labels(one)):
            selectors.setdefault(one["metadata"]["namespace"], []).append(one["spec"].get("selector") or {})
    return [
        f"{namespace}/{_name(one)}"
        for one in items
        if one["kind"] == "Pod" and _is_running(one)
        for namespace in (one["metadata"]["namespace"],)
        if pod_enrolled(_labels(one), namespaces.get(namespace, {}), selectors.get(namespace, ()))
        and _labels(one).get(REDIRECTED) != ENABLED
    ]


def _is_running(pod: Mapping[str, Any]) -> bool:
    """Whether a pod runs in a network of its own."""
    if pod["spec"].get("hostNetwork") or pod["metadata"].get("deletionTimestamp"):
        return False
    return bool(pod.get("status", {}).get("phase") == "Running")


def _name(item: Mapping[str, Any]) -> str:
    return str(item["metadata"]["name"])


def _labels(item: Mapping[str, Any]) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}


INGRESSES = Need(
    "waiting for Ingresses to be served",
    _ingresses,
    "Ingress {} has no address: see 'kubectl describe ingress -A'",
)
GATEWAYS = Need(
    "waiting for Gateways to be programmed",
    _gateways,
    "Gateway {} is not programmed: see 'kubectl describe gateway -A'",
)
MESH = Need(
    "waiting for the mesh to carry the connections of its pods",
    _mesh,
    "pod {} is enrolled and not in the mesh yet: see 'kubectl -n podwire-system get pods'",
)
