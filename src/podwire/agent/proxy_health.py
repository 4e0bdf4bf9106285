"""Health of the Service proxy as kube-proxy defines it: load balancers and kubelets read it on port 10256. Pure.

    condition                                    /livez   /healthz
    first sync not finished                      200      503
    synced, nothing waits for more than 60 s     200      200
    a change waits for more than 60 s            503      503
    the Node is being deleted, or is gone        200      503

kube-proxy is healthy before its first sync; here a load balancer must not send to a node without any rule.
Source: k8s.io/kubernetes `pkg/proxy/healthcheck/proxy_health.go`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from podwire.component.endpoints import JSON, Page
from podwire.kube.core import Node
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change

PENDING_SECONDS = 60.0

_FAMILIES = ("IPv4", "IPv6")


class ProxyHealth:
    """Times of changes and of their application; `clock` is the time in UTC."""

    def __init__(self, node: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._key = NamespacedName("", node)
        self._clock = clock
        self._eligible = True
        self._pending_since: datetime | None = None
        self._applying_since: datetime | None = None
        self.last_queued: datetime | None = None
        self.last_updated: datetime | None = None
        self.answers: dict[tuple[str, int], int] = {}
        """How often each path was answered with each status."""

    @property
    def synced(self) -> bool:
        """Whether the kernel had all rows once."""
        return self.last_updated is not None

    def queued(self) -> None:
        """A change of a Service or EndpointSlice arrived and is not applied yet."""
        self.last_queued = self._clock()
        if self._pending_since is None:
            self._pending_since = self.last_queued

    def applying(self) -> None:
        """What arrived until now is being applied."""
        self._applying_since = self._applying_since or self._pending_since
        self._pending_since = None

    def updated(self) -> None:
        """What was being applied is applied; changes that arrived since then wait."""
        self.last_updated = self._clock()
        self._applying_since = None

    def node_changed(self, change: Change[Node]) -> None:
        """Take a change of any Node."""
        changed = change.new or change.old
        if changed is None or changed.key != self._key:
            return
        node = change.new
        self._eligible = node is not None and not node.leaving

    @property
    def healthy(self) -> bool:
        """Whether the kernel has the rules of all Services, but for changes that are not late yet."""
        return self.synced and self._timely

    def healthz(self) -> Page:
        """Whether a load balancer may send connections to this node."""
        good = self.healthy and self._eligible
        return self._page("healthz", good=good, healthy=self.healthy, nodeEligible=self._eligible)

    def livez(self) -> Page:
        """Whether the proxy works, whatever becomes of its node."""
        return self._page("livez", good=self._timely, healthy=self._timely)

    @property
    def _timely(self) -> bool:
        since = self._applying_since or self._pending_since
        return since is None or (self._clock() - since).total_seconds() < PENDING_SECONDS

    def _page(self, path: str, *, good: bool, healthy: bool, **more: bool) -> Page:
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        self.answers[path, status.value] = self.answers.get((path, status.value), 0) + 1
        now = self._clock()
        # Like kube-proxy: while all is well the last update is now, as monitors compare the two times.
        updated = now if good else self.last_updated
        body: dict[str, Any] = {"lastUpdated": _text(updated), "currentTime": _text(now), **more, "healthy": healthy}
        if self.synced:
            # One write has the rows of both families.
            body["status"] = {key: {"lastUpdated": _text(self.last_updated), "healthy": healthy} for key in _FAMILIES}
        return Page(json.dumps(body, separators=(",", ":")), status, JSON)


def _text(moment: datetime | None) -> str:
    """Go's JSON of `time.Time` (RFC 3339 without trailing zeros), or that of the zero time."""
    if moment is None:
        return "0001-01-01T00:00:00Z"
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}".rstrip("0").rstrip(".") + "Z"
