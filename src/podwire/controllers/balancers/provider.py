"""What a provider of load balancers does, as the controller uses it: a cloud's API, or the local cloud.

Source: k8s.io/cloud-provider `cloud.go`, interface LoadBalancer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from podwire.kube.services import LoadBalancerIngress

if TYPE_CHECKING:
    from podwire.kube.core import Node
    from podwire.kube.services import Service

SYNC_FAILED = "SyncLoadBalancerFailed"


class BalancerError(Exception):
    """The provider cannot do what a Service requests.

    `reason` is that of the event. `retry_after` is in seconds; None means that no retry succeeds before the Service
    changes or another load balancer is released. `remaining` are the addresses that the Service still has; None where
    that is unchanged.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = SYNC_FAILED,
        retry_after: float | None = None,
        remaining: tuple[LoadBalancerIngress, ...] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after
        self.remaining = remaining


class Ensured(msgspec.Struct, frozen=True):
    """The addresses of a load balancer; `warning` names what it lacks that the Service prefers but can do without."""

    ingress: tuple[LoadBalancerIngress, ...]
    warning: str = ""


class Provider(Protocol):
    """A provider of load balancers. All calls may be repeated; those for one Service never overlap.

    Each raises BalancerError, or the errors of its connections, which are retried. Services and nodes are read only.
    """

    @property
    def balancer_class(self) -> str:
        """The spec.loadBalancerClass of this provider; it also serves Services without a class."""
        ...

    async def start(self, services: Iterable[Service]) -> None:
        """Take over the load balancers of these Services, all that have or want one, before any other call."""
        ...

    async def ensure(self, service: Service, nodes: Sequence[Node], /) -> Ensured:
        """Create the load balancer or change it to what the Service requests now."""
        ...

    async def update(self, service: Service, nodes: Sequence[Node], /) -> bool:
        """Make these nodes the targets of the load balancer; return whether anything had to change."""
        ...

    async def delete(self, service: Service) -> bool:
        """Delete the load balancer and release its addresses; return whether there was one."""
        ...
