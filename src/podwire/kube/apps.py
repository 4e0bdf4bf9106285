"""Workload kinds of `apps/v1`. Source: k8s.io/api `apps/v1/types.go`.

Pod templates stay plain JSON: a controller copies them whole, so that fields which podwire does not name survive.
"""

from __future__ import annotations

from typing import Any

from podwire.kube.core import IntOrString
from podwire.kube.meta import Condition, LabelSelector, Object, Struct


class PodTemplate(Struct, frozen=True):
    """The template of a workload's pods: `metadata` and `spec` as the user wrote them."""

    metadata: dict[str, Any] = {}
    spec: dict[str, Any] = {}

    @property
    def labels(self) -> dict[str, str]:
        """The labels that every pod starts with."""
        return self.metadata.get("labels") or {}


class RollingUpdate(Struct, frozen=True):
    """How far a rollout may go beyond and below the desired count: pods, or a percentage of `replicas`."""

    max_surge: IntOrString = "25%"
    max_unavailable: IntOrString = "25%"


class DeploymentStrategy(Struct, frozen=True):
    """RollingUpdate or Recreate."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate = RollingUpdate()


class DeploymentSpec(Struct, frozen=True):
    """The desired state of a Deployment. Times are seconds."""

    replicas: int = 1
    selector: LabelSelector = LabelSelector()
    template: PodTemplate = PodTemplate()
    strategy: DeploymentStrategy = DeploymentStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int = 10
    paused: bool = False
    progress_deadline_seconds: int = 600


class DeploymentCondition(Condition, frozen=True):
    """A condition with the time of its last update, from which progress deadlines count."""

    last_update_time: str | None = None


class DeploymentStatus(Struct, frozen=True):
    """The observed state of a Deployment. `collisionCount` counts hash collisions of its ReplicaSets' names."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    terminating_replicas: int | None = None
    collision_count: int = 0
    conditions: tuple[DeploymentCondition, ...] = ()


class Deployment(Object, frozen=True):
    """Pods of one template, replaced step by step when the template changes."""

    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


class ReplicaSetSpec(Struct, frozen=True):
    """How many pods of which template."""

    replicas: int = 1
    selector: LabelSelector = LabelSelector()
    template: PodTemplate = PodTemplate()
    min_ready_seconds: int = 0


class ReplicaSetStatus(Struct, frozen=True):
    """The observed state of a ReplicaSet. `replicas` counts neither terminating nor finished pods."""

    replicas: int = 0
    fully_labeled_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    terminating_replicas: int | None = None
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


class ReplicaSet(Object, frozen=True):
    """A number of pods of one template."""

    spec: ReplicaSetSpec = ReplicaSetSpec()
    status: ReplicaSetStatus = ReplicaSetStatus()


class ReplicationControllerSpec(Struct, frozen=True):
    """How many pods of which template; the selector is a map of labels."""

    replicas: int = 1
    selector: dict[str, str] = {}
    template: PodTemplate = PodTemplate()
    min_ready_seconds: int = 0


class ReplicationController(Object, frozen=True):
    """The predecessor of the ReplicaSet, of the core group."""

    spec: ReplicationControllerSpec = ReplicationControllerSpec()
    status: ReplicaSetStatus = ReplicaSetStatus()


class ControllerRevision(Object, frozen=True):
    """An earlier template of a StatefulSet or DaemonSet: `data` is the patch that restores it."""

    data: dict[str, Any] = {}
    revision: int = 0


class Ordinals(Struct, frozen=True):
    """The number of a StatefulSet's first pod."""

    start: int = 0


class StatefulRollingUpdate(Struct, frozen=True):
    """Pods below `partition` keep their revision."""

    partition: int = 0
    max_unavailable: IntOrString = 1


class StatefulStrategy(Struct, frozen=True):
    """RollingUpdate or OnDelete."""

    type: str = "RollingUpdate"
    rolling_update: StatefulRollingUpdate = StatefulRollingUpdate()


class StatefulSetSpec(Struct, frozen=True):
    """The desired state of a StatefulSet. Claim templates stay plain JSON: no volumes are provided."""

    replicas: int = 1
    selector: LabelSelector = LabelSelector()
    template: PodTemplate = PodTemplate()
    service_name: str = ""
    pod_management_policy: str = "OrderedReady"
    update_strategy: StatefulStrategy = StatefulStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int = 10
    ordinals: Ordinals = Ordinals()
    volume_claim_templates: tuple[dict[str, Any], ...] = ()


class StatefulSetStatus(Struct, frozen=True):
    """The observed state of a StatefulSet. Revisions are names of ControllerRevisions."""

    observed_generation: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    current_replicas: int = 0
    updated_replicas: int = 0
    current_revision: str = ""
    update_revision: str = ""
    collision_count: int = 0


class StatefulSet(Object, frozen=True):
    """Pods with stable names and hostnames."""

    spec: StatefulSetSpec = StatefulSetSpec()
    status: StatefulSetStatus = StatefulSetStatus()


class DaemonRollingUpdate(Struct, frozen=True):
    """How many nodes may be without a pod, or with two, during an update."""

    max_unavailable: IntOrString = 1
    max_surge: IntOrString = 0


class DaemonStrategy(Struct, frozen=True):
    """RollingUpdate or OnDelete."""

    type: str = "RollingUpdate"
    rolling_update: DaemonRollingUpdate = DaemonRollingUpdate()


class DaemonSetSpec(Struct, frozen=True):
    """The desired state of a DaemonSet."""

    selector: LabelSelector = LabelSelector()
    template: PodTemplate = PodTemplate()
    update_strategy: DaemonStrategy = DaemonStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int = 10


class DaemonSetStatus(Struct, frozen=True):
    """The observed state of a DaemonSet, counted in nodes."""

    observed_generation: int = 0
    current_number_scheduled: int = 0
    number_misscheduled: int = 0
    desired_number_scheduled: int = 0
    number_ready: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0
    number_unavailable: int = 0
    collision_count: int = 0


class DaemonSet(Object, frozen=True):
    """One pod on each node that takes it."""

    spec: DaemonSetSpec = DaemonSetSpec()
    status: DaemonSetStatus = DaemonSetStatus()


def scaled(value: IntOrString, total: int, *, round_up: bool) -> int:
    """A count, or a percentage of the total as a count. Raises ValueError for other text."""
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise ValueError(f"{value!r} is neither a number nor a percentage")
    product = int(value[:-1]) * total
    return -(-product // 100) if round_up else product // 100
