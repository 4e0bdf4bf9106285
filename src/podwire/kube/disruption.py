"""PodDisruptionBudget of `policy/v1`. Source: k8s.io/api `policy/v1/types.go`."""

from __future__ import annotations

from podwire.kube.core import IntOrString
from podwire.kube.meta import Condition, LabelSelector, Object, Struct


class PodDisruptionBudgetSpec(Struct, frozen=True):
    """How many of the selected pods must stay, or may be away; an absent selector selects none."""

    selector: LabelSelector | None = None
    min_available: IntOrString | None = None
    max_unavailable: IntOrString | None = None


class PodDisruptionBudgetStatus(Struct, frozen=True):
    """What evictions may count on. `disrupted_pods` are evicted ones that the controller has not yet seen ending."""

    observed_generation: int = 0
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    disrupted_pods: dict[str, str] = {}
    conditions: tuple[Condition, ...] = ()


class PodDisruptionBudget(Object, frozen=True):
    """A limit for those who take pods away on purpose."""

    spec: PodDisruptionBudgetSpec = PodDisruptionBudgetSpec()
    status: PodDisruptionBudgetStatus = PodDisruptionBudgetStatus()
