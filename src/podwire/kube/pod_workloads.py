"""The workload that made a pod: by its owner, or by its name and the labels that controllers set. Pure.

Sources: k8s.io/api `apps/v1/types.go` and `batch/v1/types.go` (labels), `pkg/controller/deployment` (names).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from podwire.kube.meta import OwnerReference


class Workload(msgspec.Struct, frozen=True):
    """What made a pod."""

    name: str
    kind: str


TEMPLATE_HASH = "pod-template-hash"
_STATEFUL_NAME = "statefulset.kubernetes.io/pod-name"
_JOB_NAMES = ("batch.kubernetes.io/job-name", "job-name")
_REVISION_HASH = "controller-revision-hash"
GENERATED = frozenset(
    {
        TEMPLATE_HASH,
        _STATEFUL_NAME,
        *_JOB_NAMES,
        _REVISION_HASH,
        "pod-template-generation",
        "apps.kubernetes.io/pod-index",
        "controller-uid",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
    }
)
"""Labels that controllers set: they name a revision or one pod, not the workload."""


def workload(name: str, labels: Mapping[str, str], owners: Iterable[OwnerReference] = ()) -> Workload:
    """Return what made the pod; the pod itself where nothing did."""
    owner = next((one for one in owners if one.controller), None)
    template = labels.get(TEMPLATE_HASH)
    if owner is not None and owner.kind == "ReplicaSet" and template and owner.name.endswith(f"-{template}"):
        return Workload(owner.name.removesuffix(f"-{template}"), "Deployment")
    if owner is not None:
        return Workload(owner.name, owner.kind)
    return _by_labels(name, labels, template)


def _by_labels(name: str, labels: Mapping[str, str], template: str | None) -> Workload:
    stem = name.rpartition("-")[0]
    if template and stem.endswith(f"-{template}"):
        return Workload(stem.removesuffix(f"-{template}"), "Deployment")
    if labels.get(_STATEFUL_NAME) == name and stem:
        return Workload(stem, "StatefulSet")
    job = next((labels[key] for key in _JOB_NAMES if key in labels), "")
    if job:
        return Workload(job, "Job")
    if _REVISION_HASH in labels and stem:
        return Workload(stem, "DaemonSet")
    return Workload(name, "Pod")
