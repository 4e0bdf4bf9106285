"""Circuit breakers, budgets of retries and outlier detection of a cluster (Envoy, "Upstream circuit breaking")."""

from __future__ import annotations

from typing import Any

from envoy.config.cluster.v3 import circuit_breaker_pb2, outlier_detection_pb2
from envoy.type.v3 import percent_pb2

from podwire.edge.envoy.message import duration
from podwire.edge.model.resilience import Limits, OutlierDetection, Resilience, RetryBudget

MOST = 1_000_000
"""Where nothing is set: Envoy's own limit of 1,024 shows as 503 under load."""
_ALL, _NONE = {"value": 100}, {"value": 0}
_Thresholds = circuit_breaker_pb2.CircuitBreakers.Thresholds


def breakers(resilience: Resilience) -> Any:
    """Return the limits of a cluster."""
    limits = resilience.limits or Limits()
    made = _Thresholds(
        max_connections=_limit(limits.connections),
        max_pending_requests=_limit(limits.pending),
        max_requests=_limit(limits.requests),
        max_retries=_limit(limits.retries),
    )
    if resilience.budget is not None:  # takes the place of max_retries
        made.retry_budget.CopyFrom(_budget(resilience.budget))
    return circuit_breaker_pb2.CircuitBreakers(thresholds=[made])


def apply(made: Any, resilience: Resilience) -> None:
    """Set what a cluster has by its resilience alone."""
    if resilience.outliers is not None:
        made.outlier_detection.CopyFrom(_outliers(resilience.outliers))
    if resilience.panic_percent is not None:
        made.common_lb_config.healthy_panic_threshold.value = resilience.panic_percent


def _limit(number: int | None) -> dict[str, int]:
    return {"value": MOST if number is None else number}


def _budget(budget: RetryBudget) -> Any:
    return _Thresholds.RetryBudget(
        budget_percent=percent_pb2.Percent(value=budget.percent), min_retry_concurrency={"value": budget.least}
    )


def _outliers(outliers: OutlierDetection) -> Any:
    """Success rates are not compared: their result depends on how many endpoints there are."""
    return outlier_detection_pb2.OutlierDetection(
        consecutive_5xx={"value": outliers.errors or MOST},
        enforcing_consecutive_5xx=_ALL if outliers.errors else _NONE,
        consecutive_gateway_failure={"value": outliers.gateway_errors or MOST},
        enforcing_consecutive_gateway_failure=_ALL if outliers.gateway_errors else _NONE,
        enforcing_success_rate=_NONE,
        interval=duration(outliers.interval),
        base_ejection_time=duration(outliers.ejection),
        max_ejection_time=duration(max(outliers.longest_ejection, outliers.ejection)),
        max_ejection_percent={"value": outliers.most_percent},
        always_eject_one_host={"value": outliers.most_percent > 0},
    )
