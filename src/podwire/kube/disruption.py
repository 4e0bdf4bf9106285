"""PodDisruptionBudget of `policy/v1`. Source: k8s.io/api `policy/v1/types.go`."""

from __future__ import annotations

from podwire.kube.core import IntOrString
from podwire.kube.meta import Condition, LabelSelector, Object, Struct


class PodDisruptionBudgetSpec(Struct, frozen=True):
    """How many of the selected pods must be available, or may be unavailable; an absent selector selects none."""

    selector: LabelSelector | None = None
    min_available: IntOrString | None = None
    max_unavailable: IntOrString | None = None


class PodDisruptionBudgetStatus(Struct, frozen=True):
    """The observed state, which evictions read. `disrupted_pods` are evicted ones that do not end yet."""

    observed_generation: int = 0
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    disrupted_pods: dict[str, str] = {}
    conditions: tuple[Condition, ...] = ()


class PodDisruptionBudget(Object, frozen=True):
    """A limit for voluntary disruptions."""

    spec: PodDisruptionBudgetSpec = PodDisruptionBudgetSpec()
    status: PodDisruptionBudgetStatus = PodDisruptionBudgetStatus()
