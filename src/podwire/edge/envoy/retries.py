"""Further tries of a request: those that a route wants, and those that are safe for every request.

Source: Envoy's "Router", x-envoy-retry-on.
"""

from __future__ import annotations

from typing import Any

from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2

from podwire.edge.envoy.message import duration, packed
from podwire.edge.model.filters import Retry, Timeouts

SAFE_TRIES = 2
CHOICES = 16
"""How often another endpoint is chosen until it is not one that was tried: of two, one in 65,000 is tried twice."""
_MOST_BACKOFFS = 10
_NOT_SENT = ("connect-failure", "refused-stream", "reset-before-request")
"""No backend has seen the request."""
_GATEWAY_TIMEOUT = 504
_POLICY = route_components_pb2.RetryPolicy


def safe() -> Any:
    """Return the policy of a cluster: a request that no backend has seen is tried at another endpoint.

    An endpoint can be gone before every Envoy has applied that. A virtual host could have it, too; but Envoy reads all
    hosts of a table again for a change of one, and this policy is half of the work.
    """
    another = _POLICY.RetryHostPredicate(
        name="envoy.retry_host_predicates.previous_hosts",
        typed_config=packed(previous_hosts_pb2.PreviousHostsPredicate()),
    )
    return _POLICY(
        retry_on=",".join(_NOT_SENT),
        num_retries={"value": SAFE_TRIES},
        retry_host_predicate=[another],
        host_selection_retry_max_attempts=CHOICES,
    )


def of_route(retry: Retry | None, timeouts: Timeouts) -> Any:
    """Return a route's own policy, which holds the limit of one try too; None: neither is given."""
    if retry is None and not timeouts.backend:
        return None
    made = _of_retry(retry, timeouts) if retry else safe()
    if timeouts.backend:
        made.per_try_timeout.CopyFrom(duration(timeouts.backend))
    return made


def _of_retry(retry: Retry, timeouts: Timeouts) -> Any:
    conditions = ["retriable-status-codes", *(_NOT_SENT if retry.on_connection_error else ())]
    if _GATEWAY_TIMEOUT in retry.codes and timeouts.backend:
        conditions.append("reset")  # a try that is over its limit is no response with a status
    made = _POLICY(retry_on=",".join(conditions), retriable_status_codes=retry.codes)
    made.num_retries.value = retry.attempts
    least = max(retry.backoff, 0.001)
    made.retry_back_off.base_interval.CopyFrom(duration(least))
    made.retry_back_off.max_interval.CopyFrom(duration(least * _MOST_BACKOFFS))
    return made
