"""Targets of a test: a pod, or a workload, which means one of its pods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podwire.testing.kubectl import Kubectl

__tracebackhide__ = True  # in a failed test's report the user's own line is the last one

POD_KINDS = frozenset({"pod", "pods", "po"})
WORKLOAD_KINDS = frozenset(
    {"deployment", "deploy", "statefulset", "sts", "daemonset", "ds", "replicaset", "rs", "job"},
)

REQUIREMENTS = {
    "In": "{key} in ({values})",
    "NotIn": "{key} notin ({values})",
    "Exists": "{key}",
    "DoesNotExist": "!{key}",
}
"""Operators of a LabelSelector in kubectl's syntax."""


@dataclass(frozen=True)
class Target:
    """One object: `kind` is `pod`, or the kind of a workload as the test wrote it."""

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.kind}/{self.name}"


@dataclass(frozen=True)
class Place:
    """A running pod: where its network is, and its first address."""

    uid: str
    node: str
    host_network: bool
    address: str


def parse(text: str, namespace: str) -> Target:
    """Read POD, NAMESPACE/POD, KIND/NAME or NAMESPACE/KIND/NAME; kinds are kubectl's, such as `deploy`.

    What names no namespace is in `namespace`. Raises ValueError for anything else.
    """
    match text.split("/"):
        case [pod] if pod:
            return Target(namespace, "pod", pod)
        case [kind, name] if kind in POD_KINDS:
            return Target(namespace, "pod", name)
        case [kind, name] if kind in WORKLOAD_KINDS:
            return Target(namespace, kind, name)
        case [other, pod] if other and pod:
            return Target(other, "pod", pod)
        case [other, kind, name] if kind in POD_KINDS:
            return Target(other, "pod", name)
        case [other, kind, name] if kind in WORKLOAD_KINDS:
            return Target(other, kind, name)
    kinds = ", ".join(sorted(WORKLOAD_KINDS))
    raise ValueError(f"{text!r}: write POD, NAMESPACE/POD, KIND/NAME or NAMESPACE/KIND/NAME; kinds are pod, {kinds}")


def find(kubectl: Kubectl, target: Target) -> Place:
    """The pod of a target, of a workload one that is ready. Raises AssertionError where there is none."""
    where = ("--namespace", target.namespace)
    if target.kind == "pod":
        return place(kubectl.json("pod", target.name, *where))
    selector = kubectl.json(target.kind, target.name, *where)["spec"]["selector"]
    pods = kubectl.json("pods", "--selector", selector_text(selector), *where)["items"]
    running = [pod for pod in pods if pod["status"].get("phase") == "Running" and not leaving(pod)]
    if not running:
        raise AssertionError(f"{target}: none of its {len(pods)} pods runs")
    return place(max(running, key=is_ready))


def place(pod: dict[str, Any]) -> Place:
    """Where a pod is, from its object."""
    spec = pod["spec"]
    return Place(
        pod["metadata"]["uid"],
        spec.get("nodeName", ""),
        bool(spec.get("hostNetwork")),
        pod["status"].get("podIP", ""),
    )


def selector_text(selector: dict[str, Any]) -> str:
    """A LabelSelector in kubectl's syntax."""
    words = [f"{key}={value}" for key, value in selector.get("matchLabels", {}).items()]
    for one in selector.get("matchExpressions", []):
        key, values = one["key"], ",".join(one.get("values", []))
        words.append(REQUIREMENTS[one["operator"]].format(key=key, values=values))
    return ",".join(words)


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod's condition Ready is True."""
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def leaving(pod: dict[str, Any]) -> bool:
    """Whether it is being deleted."""
    return "deletionTimestamp" in pod["metadata"]
