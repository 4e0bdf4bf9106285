"""ControllerRevisions: the former pod templates of a StatefulSet or DaemonSet. Pure.

`kubectl rollout history` and `rollout undo` read and apply their data. Source: kubernetes
`pkg/controller/history/controller_history.go`, `pkg/controller/statefulset/stateful_set_utils.go` (getPatch).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.machinery.owner_references import reference
from podwire.controllers.workloads.deployment_revisions import NOT_COPIED
from podwire.kube.apps import ControllerRevision, PodTemplate
from podwire.kube.names import safe_text

if TYPE_CHECKING:
    from podwire.kube.apps import DaemonSet, StatefulSet
    from podwire.kube.kinds import Kind

HASH_LABEL = "controller-revision-hash"
REPLACE = {"$patch": "replace"}
"""The directive of a strategic merge patch that makes `data` replace the template instead of merging with it."""


class Place(msgspec.Struct, frozen=True):
    """The current template in the history: the revision that holds it, None where there is none; and its number."""

    revision: ControllerRevision | None
    number: int


def data(template: PodTemplate) -> dict[str, Any]:
    """Return the patch that restores a template.

    Its keys are sorted, as clients written in Go compare its text with the one that they compute.
    """
    patch = {"spec": {"template": {**msgspec.to_builtins(template), **REPLACE}}}
    return msgspec.json.decode(msgspec.json.encode(patch, order="sorted"), type=dict[str, Any])


def template_of(revision: ControllerRevision) -> PodTemplate:
    """Return the template that a revision holds."""
    kept = dict(revision.data["spec"]["template"])
    kept.pop("$patch", None)
    return msgspec.convert(kept, PodTemplate)


def place(template: PodTemplate, revisions: Sequence[ControllerRevision]) -> Place:
    """Return the place of the template, which has the highest number; a restored one gets a new number."""
    desired = data(template)
    highest = max((revision.revision for revision in revisions), default=0)
    same = [revision for revision in revisions if revision.data == desired]
    if not same:
        return Place(None, highest + 1)
    newest = max(same, key=lambda revision: revision.revision)
    return Place(newest, newest.revision if newest.revision == highest else highest + 1)


def body(kind: Kind[Any], owner: StatefulSet | DaemonSet, number: int, collisions: int) -> dict[str, Any]:
    """Return a new ControllerRevision for the current template as JSON."""
    desired = data(owner.spec.template)
    text = safe_text(msgspec.json.encode([desired, collisions], order="sorted"), 10)
    annotations = {key: value for key, value in owner.metadata.annotations.items() if key not in NOT_COPIED}
    return {
        "metadata": {
            "name": f"{owner.metadata.name}-{text}",
            "namespace": owner.metadata.namespace,
            "labels": {**owner.spec.template.labels, HASH_LABEL: text},
            "annotations": annotations,
            "ownerReferences": [reference(kind, owner)],
        },
        "data": desired,
        "revision": number,
    }


def expired(revisions: Iterable[ControllerRevision], used: Collection[str], limit: int) -> list[ControllerRevision]:
    """Return unused revisions beyond the limit, the oldest first. `used` are names and hashes."""
    idle = [
        revision
        for revision in revisions
        if revision.metadata.name not in used and revision.metadata.labels.get(HASH_LABEL, "") not in used
    ]
    idle.sort(key=lambda revision: revision.revision)
    return idle[: max(0, len(idle) - limit)]
