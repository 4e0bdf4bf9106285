"""Fields that the server sets before an object is validated. Source: k8s.io/kubernetes `pkg/registry/*/strategy.go`."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from podwire.apiserver.writes import service_strategy

if TYPE_CHECKING:
    from podwire.apiserver.kinds.resources import Resource

Object = dict[str, Any]

JOB_LABELS = ("batch.kubernetes.io/{}", "{}")
"""Jobs label their pods twice: with the group's prefix, and without it for old clients."""

INITIAL_STATUS: dict[tuple[str, str], Object] = {
    ("", "Namespace"): {"phase": "Active"},
    ("", "PersistentVolume"): {"phase": "Pending"},
    ("", "PersistentVolumeClaim"): {"phase": "Pending"},
    ("", "ReplicationController"): {"replicas": 0},
    ("", "Service"): {"loadBalancer": {}},
    ("apps", "DaemonSet"): dict.fromkeys(
        ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"), 0
    ),
    ("apps", "ReplicaSet"): {"replicas": 0},
    ("apps", "StatefulSet"): {"replicas": 0, "availableReplicas": 0},
    ("networking.k8s.io", "Ingress"): {"loadBalancer": {}},
    ("policy", "PodDisruptionBudget"): dict.fromkeys(
        ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"), 0
    ),
}
"""The status that a new object of a built-in kind begins with, by group and kind. Of any other it is `{}`, never
absent: clients read into it at once. Zeros are what upstream's types write out (k8s.io/api, without omitempty)."""

_CONTAINERS = ("containers", "initContainers")


def before_create(resource: Resource, obj: Object) -> None:
    """Complete a new object in place, after its metadata (uid, name) is set: status, finalizers, selectors.

    A kind with a status subresource loses the status that the client sent; a Node keeps it (kubelets send theirs).
    """
    if "status" in resource.subresources and resource.kind != "Node":
        obj.pop("status", None)
        if resource.custom is not None:
            resource.custom.complete(obj)  # a status that the schema has a default for is read at once
        else:
            obj["status"] = deepcopy(INITIAL_STATUS.get((resource.group, resource.kind), {}))
    match resource.group, resource.kind:
        case "", "Namespace":
            finalizers = obj.setdefault("spec", {}).setdefault("finalizers", [])
            if "kubernetes" not in finalizers:
                finalizers.append("kubernetes")
        case "", "Pod":
            obj["spec"].setdefault("serviceAccountName", "default")
            obj["spec"]["serviceAccount"] = obj["spec"]["serviceAccountName"]
            obj["status"] = {"phase": "Pending", "qosClass": quality_of_service(obj["spec"])}
        case "", "Service":
            service_strategy.before_create(obj["spec"])
        case "batch", "Job":
            _select_own_pods(obj)
        case _:
            return


def before_update(resource: Resource, obj: Object, old: Object) -> None:
    """Complete a changed object in place: what a client left out and may not change is taken from the old object."""
    match resource.group, resource.kind:
        case "", "Service":
            service_strategy.before_update(obj, old)
        case "", "Pod":
            if "status" in old:
                obj.setdefault("status", {}).setdefault("qosClass", quality_of_service(obj["spec"]))
        case "batch", "Job":
            for part in ("selector", "manualSelector"):
                if part in old["spec"]:
                    obj["spec"].setdefault(part, old["spec"][part])
        case _:
            return


def quality_of_service(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort, by what the containers request (kubernetes.io "Pod Quality of Service")."""
    resources = [container.get("resources", {}) for part in _CONTAINERS for container in spec.get(part, ())]
    if not any(entry.get("requests") or entry.get("limits") for entry in resources):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= entry.get("limits", {}).keys()
        and all(entry.get("requests", {}).get(name) == entry["limits"][name] for name in ("cpu", "memory"))
        for entry in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _select_own_pods(obj: Object) -> None:
    """A Job selects the pods that bear its uid, unless its user selects by hand."""
    spec = obj["spec"]
    if spec.get("manualSelector") or "template" not in spec:
        return
    uid, name = obj["metadata"]["uid"], obj["metadata"]["name"]
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for form in JOB_LABELS:
        labels.setdefault(form.format("controller-uid"), uid)
        labels.setdefault(form.format("job-name"), name)
    spec.setdefault("selector", {}).setdefault("matchLabels", {}).setdefault(
        JOB_LABELS[0].format("controller-uid"), uid
    )
