"""BackendPolicy of `mesh.podwire.dev/v1alpha1`: what holds for the requests to a Service. Absent parts are None.

XBackendTrafficPolicy of the Gateway API has some of its fields, in the same form: gateway-api v1.6.3
`apisx/v1alpha1/xbackendtrafficpolicy_types.go`.
"""

from __future__ import annotations

from podwire.edge.gateway.kinds.http_route import SessionPersistence
from podwire.edge.gateway.kinds.references import CORE
from podwire.kube.gateway_api import EXPERIMENTAL_GROUP
from podwire.kube.kinds import Kind
from podwire.kube.meta import Condition, NamespacedName, Object, Struct

GROUP = "mesh.podwire.dev"


class PolicyTarget(Struct, frozen=True):
    """A Service of the same namespace; with `sectionName`, the port of that name alone."""

    name: str = ""
    group: str = CORE
    kind: str = "Service"
    section_name: str | None = None

    @property
    def is_service(self) -> bool:
        """Whether group and kind are those of a Service."""
        return (self.group, self.kind) == (CORE, "Service")


class BudgetDetails(Struct, frozen=True):
    """The share of requests under way that may be further tries."""

    percent: int = 20
    interval: str = "10s"


class RequestRate(Struct, frozen=True):
    """So many requests in an interval."""

    count: int = 10
    interval: str = "1s"


class RetryConstraint(Struct, frozen=True):
    """The budget of further tries, and how many are allowed in any case."""

    budget: BudgetDetails = BudgetDetails()
    min_retry_rate: RequestRate = RequestRate()


class CircuitBreaker(Struct, frozen=True):
    """What one node has under way to a port at most."""

    max_connections: int | None = None
    max_pending_requests: int | None = None
    max_requests: int | None = None
    max_retries: int | None = None


class OutlierDetection(Struct, frozen=True):
    """When an endpoint that fails gets no requests, and for how long."""

    consecutive_errors: int = 5
    consecutive_gateway_errors: int = 0
    interval: str = "10s"
    base_ejection_time: str = "30s"
    max_ejection_time: str = "5m"
    max_ejection_percent: int = 50
    panic_threshold_percent: int | None = None


class Locality(Struct, frozen=True):
    """Which endpoints get requests while they are healthy: those of the client's `Node` or `Zone`."""

    prefer: str = "Zone"


class Delay(Struct, frozen=True):
    """A share of the requests waits."""

    duration: str = "0s"
    percent: int = 100


class Abort(Struct, frozen=True):
    """A share of the requests is answered at once."""

    http_status: int | None = None
    grpc_status: int | None = None
    percent: int = 100


class Fault(Struct, frozen=True):
    """What is done to requests for tests of their clients."""

    delay: Delay | None = None
    abort: Abort | None = None


class LocalRateLimit(Struct, frozen=True):
    """So many requests `per` time through one node. `scope` is `All` clients together, or each `Client` address."""

    requests: int = 0
    per: str = "1s"
    burst: int | None = None
    scope: str = "All"


class BackendPolicySpec(Struct, frozen=True):
    """The desired state."""

    target_refs: tuple[PolicyTarget, ...] = ()
    retry_constraint: RetryConstraint | None = None
    session_persistence: SessionPersistence | None = None
    circuit_breaker: CircuitBreaker | None = None
    outlier_detection: OutlierDetection | None = None
    locality: Locality | None = None
    fault: Fault | None = None
    rate_limit: LocalRateLimit | None = None


class BackendPolicyStatus(Struct, frozen=True):
    """Whether it is in force."""

    conditions: tuple[Condition, ...] = ()


class BackendPolicy(Object, frozen=True):
    """A policy of the requests to Services."""

    spec: BackendPolicySpec = BackendPolicySpec()
    status: BackendPolicyStatus = BackendPolicyStatus()

    @property
    def services(self) -> tuple[NamespacedName, ...]:
        """The Services that it is for."""
        namespace = self.metadata.namespace
        return tuple(NamespacedName(namespace, one.name) for one in self.spec.target_refs if one.is_service)


class BackendTrafficPolicy(Object, frozen=True):
    """A policy of the Gateway API, whose status this controller leaves to the policy's own ancestors."""

    spec: BackendPolicySpec = BackendPolicySpec()

    @property
    def services(self) -> tuple[NamespacedName, ...]:
        """The Services that it is for."""
        namespace = self.metadata.namespace
        return tuple(NamespacedName(namespace, one.name) for one in self.spec.target_refs if one.is_service)


AnyBackendPolicy = BackendPolicy | BackendTrafficPolicy

BACKEND_POLICIES = Kind(f"{GROUP}/v1alpha1", "BackendPolicy", "backendpolicies", BackendPolicy)
BACKEND_TRAFFIC_POLICIES = Kind(
    f"{EXPERIMENTAL_GROUP}/v1alpha1", "XBackendTrafficPolicy", "xbackendtrafficpolicies", BackendTrafficPolicy
)
