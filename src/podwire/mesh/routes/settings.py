"""What a policy of a Service comes to in the terms of the model. Pure.

Sources: gateway-api v1.6.3 `xbackendtrafficpolicy_types.go`; Envoy's circuit breakers. A budget of Envoy counts what is
under way now, so intervals of a budget have no effect, and the least rate of retries is the least number of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from podwire.edge.gateway.durations import seconds
from podwire.edge.gateway.kinds import http_route
from podwire.edge.model import filters as model
from podwire.edge.model import resilience
from podwire.edge.model.filters import Rate, RateLimit
from podwire.edge.model.resilience import Fault, Resilience
from podwire.mesh.kinds import backend_policy as kinds

TOO_MANY_REQUESTS = 429


class Settings(msgspec.Struct, frozen=True):
    """What holds for the requests to a port of a Service.

    Attributes:
        prefer: `Node` or `Zone`: whose endpoints get requests while they are healthy; empty: all do.

    """

    resilience: Resilience = Resilience()
    session: model.SessionPersistence | None = None
    fault: Fault | None = None
    rate: RateLimit | None = None
    prefer: str = ""


NOTHING = Settings()


def settings(spec: kinds.BackendPolicySpec, service: str) -> Settings:
    """Return what a policy wants of a Service of this name."""
    outliers = spec.outlier_detection
    whole = Resilience(
        limits=_limits(spec.circuit_breaker) if spec.circuit_breaker else None,
        budget=_budget(spec.retry_constraint) if spec.retry_constraint else None,
        outliers=_outliers(outliers) if outliers else None,
        panic_percent=outliers.panic_threshold_percent if outliers else None,
    )
    return Settings(
        resilience=whole,
        session=_session(spec.session_persistence, service) if spec.session_persistence else None,
        fault=_fault(spec.fault) if spec.fault else None,
        rate=_rate(spec.rate_limit) if spec.rate_limit else None,
        prefer=spec.locality.prefer if spec.locality else "",
    )


def joined(first: kinds.BackendPolicySpec, second: kinds.BackendPolicySpec) -> kinds.BackendPolicySpec:
    """Return the first policy with those settings of the second that it has none of."""
    missing: Mapping[str, object] = {
        name: value
        for name in ("retry_constraint", "session_persistence")
        if getattr(first, name) is None and (value := getattr(second, name)) is not None
    }
    return msgspec.structs.replace(first, **missing)


def problem(spec: kinds.BackendPolicySpec) -> str:
    """Return what of a policy is not supported, with the remedy; empty where all is."""
    session = spec.session_persistence
    if session is not None and session.idle_timeout is not None:
        return "spec.sessionPersistence.idleTimeout is not supported: use absoluteTimeout"
    return ""


def _limits(limits: kinds.CircuitBreaker) -> resilience.Limits:
    return resilience.Limits(
        limits.max_connections, limits.max_pending_requests, limits.max_requests, limits.max_retries
    )


def _budget(constraint: kinds.RetryConstraint) -> resilience.RetryBudget:
    rate = constraint.min_retry_rate
    least = rate.count / max(seconds(rate.interval, 1.0), 0.001)
    return resilience.RetryBudget(constraint.budget.percent, math.ceil(least))


def _outliers(found: kinds.OutlierDetection) -> resilience.OutlierDetection:
    return resilience.OutlierDetection(
        errors=found.consecutive_errors,
        gateway_errors=found.consecutive_gateway_errors,
        interval=seconds(found.interval, 10.0),
        ejection=seconds(found.base_ejection_time, 30.0),
        longest_ejection=seconds(found.max_ejection_time, 300.0),
        most_percent=found.max_ejection_percent,
    )


def _session(session: http_route.SessionPersistence, service: str) -> model.SessionPersistence:
    name = session.session_name or f"podwire-session-{service}"
    return model.SessionPersistence(session.type, name, seconds(session.absolute_timeout))


def _fault(fault: kinds.Fault) -> Fault:
    delay, abort = fault.delay, fault.abort
    return Fault(
        delay=resilience.Delay(seconds(delay.duration), delay.percent) if delay else None,
        abort=resilience.Abort(abort.http_status or 0, abort.grpc_status or 0, abort.percent) if abort else None,
    )


def _rate(limit: kinds.LocalRateLimit) -> RateLimit:
    rate = Rate(limit.requests, seconds(limit.per, 1.0), limit.burst or limit.requests)
    return RateLimit((rate,), status=TOO_MANY_REQUESTS, by_client=limit.scope == "Client")
