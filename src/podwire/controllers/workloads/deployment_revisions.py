"""ReplicaSets as revisions of a Deployment: the current one, its body, and the old ones to delete. Pure.

Source: kubernetes `pkg/controller/deployment/util/deployment_util.go`, `sync.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.machinery.owner_references import reference
from podwire.controllers.workloads.deployment_scaling import DESIRED_REPLICAS, MAX_REPLICAS, size_annotations
from podwire.kube.kinds import DEPLOYMENTS
from podwire.kube.names import safe_text

if TYPE_CHECKING:
    from podwire.kube.apps import Deployment, PodTemplate, ReplicaSet

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        HISTORY,
        DESIRED_REPLICAS,
        MAX_REPLICAS,
        "deprecated.deployment.rollback.to",
    }
)


def template_hash(template: PodTemplate, collisions: int) -> str:
    """Return the same text for the same template, whatever the order of its fields."""
    canonical = msgspec.json.encode([msgspec.to_builtins(template), collisions], order="sorted")
    return safe_text(canonical, 10)


def split(deployment: Deployment, sets: Sequence[ReplicaSet]) -> tuple[ReplicaSet | None, list[ReplicaSet]]:
    """Return the set of the current template (the oldest of several), and all others, oldest first.

    A set that was made for this very template is the current one also where the server completed its copy differently.
    """
    by_age = sorted(sets, key=lambda s: (s.metadata.creation_timestamp or "", s.metadata.name))
    desired = _without_hash(deployment.spec.template)
    text = template_hash(deployment.spec.template, deployment.status.collision_count)
    same = (s for s in by_age if _without_hash(s.spec.template) == desired)
    made_for_it = (s for s in by_age if s.metadata.labels.get(HASH_LABEL) == text)
    current = next(same, None) or next(made_for_it, None)
    return current, [s for s in by_age if s is not current]


def number(replica_set: ReplicaSet) -> int:
    """Return the revision number of a set; 0 where it has none."""
    text = replica_set.metadata.annotations.get(REVISION, "")
    return int(text) if text.isdecimal() else 0


def current_number(current: ReplicaSet | None, old: Sequence[ReplicaSet]) -> int:
    """Return the number of the current set, the highest; a rollback gives an old set a new number."""
    highest = max((number(s) for s in old), default=0)
    own = number(current) if current else 0
    return own if own > highest else highest + 1


def body(deployment: Deployment, replicas: int, revision: int) -> dict[str, Any]:
    """Return a new ReplicaSet for the current template as JSON."""
    spec, template = deployment.spec, deployment.spec.template
    text = template_hash(template, deployment.status.collision_count)
    labels = {**template.labels, HASH_LABEL: text}
    selector: dict[str, Any] = msgspec.to_builtins(spec.selector)
    selector["matchLabels"] = {**selector.get("matchLabels", {}), HASH_LABEL: text}
    return {
        "metadata": {
            "name": f"{deployment.metadata.name}-{text}",
            "namespace": deployment.metadata.namespace,
            "labels": labels,
            "annotations": {**_copied(deployment), **size_annotations(deployment), REVISION: str(revision)},
            "ownerReferences": [reference(DEPLOYMENTS, deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.min_ready_seconds,
            "selector": selector,
            "template": {"metadata": {**template.metadata, "labels": labels}, "spec": template.spec},
        },
    }


def changed_annotations(deployment: Deployment, current: ReplicaSet, revision: int) -> dict[str, str]:
    """Return the annotations of the current set that have to change."""
    have = current.metadata.annotations
    desired = {**_copied(deployment), REVISION: str(revision)}
    before = number(current)
    if before and before != revision:
        earlier = have.get(HISTORY, "")
        desired[HISTORY] = f"{earlier},{before}" if earlier else str(before)
    return {key: value for key, value in desired.items() if have.get(key) != value}


def expired(deployment: Deployment, old: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """Return old sets without pods beyond the history limit, the lowest revisions first."""
    empty = [s for s in old if not s.spec.replicas and not s.status.replicas and s.metadata.deletion_timestamp is None]
    surplus = max(0, len(empty) - deployment.spec.revision_history_limit)
    return sorted(empty, key=lambda s: (number(s), s.metadata.creation_timestamp or ""))[:surplus]


def _copied(deployment: Deployment) -> dict[str, str]:
    return {key: value for key, value in deployment.metadata.annotations.items() if key not in NOT_COPIED}


def _without_hash(template: PodTemplate) -> tuple[dict[str, Any], dict[str, Any]]:
    labels = {key: value for key, value in template.labels.items() if key != HASH_LABEL}
    return {**template.metadata, "labels": labels}, template.spec
