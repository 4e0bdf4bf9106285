import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from podwire.agent.proxy_health import ProxyHealth
from podwire.component.endpoints import Page
from podwire.kube.core import Node
from podwire.kube.watch import Change


class Clock:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def node(name: str = "a", **parts: Any) -> Node:
    return msgspec.convert({"metadata": {"name": name, **parts.pop("metadata", {})}, **parts}, Node)


def statuses(health: ProxyHealth) -> tuple[int, int]:
    """Of /livez and /healthz."""
    return health.livez().status, health.healthz().status


def body(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.body)
    return found


def test_a_node_without_rules_is_alive_and_gets_no_connections() -> None:
    health = ProxyHealth("a", Clock())
    assert statuses(health) == (200, 503)
    assert body(health.healthz()) == {
        "lastUpdated": "0001-01-01T00:00:00Z",
        "currentTime": "2026-01-02T03:04:05Z",
        "nodeEligible": True,
        "healthy": False,
    }
    health.queued()
    health.applying()
    health.updated()
    assert statuses(health) == (200, 200)


def test_a_change_that_waits_for_too_long_is_a_fault_and_one_that_came_later_is_not() -> None:
    clock = Clock()
    health = ProxyHealth("a", clock)
    health.updated()
    health.queued()
    clock.forward(59)
    assert statuses(health) == (200, 200)
    health.applying()
    health.queued()
    clock.forward(2)
    assert statuses(health) == (503, 503)
    health.updated()
    assert statuses(health) == (200, 200), "the second change waits for 2 s only"
    clock.forward(60)
    assert statuses(health) == (503, 503)


def test_times_are_those_of_go_and_recent_while_all_is_well() -> None:
    clock = Clock()
    health = ProxyHealth("a", clock)
    health.updated()
    clock.forward(100.5)
    now, first = "2026-01-02T03:05:45.5Z", "2026-01-02T03:04:05Z"
    family = {"lastUpdated": first, "healthy": True}
    whole = {"lastUpdated": now, "currentTime": now, "healthy": True, "status": {"IPv4": family, "IPv6": family}}
    assert body(health.livez()) == whole
    assert body(health.healthz()) == {**whole, "nodeEligible": True}
    health.queued()
    clock.forward(61)
    late = body(health.livez())
    assert (late["lastUpdated"], late["healthy"], late["status"]["IPv6"]["healthy"]) == (first, False, False)


def test_a_node_that_is_being_deleted_gets_no_new_connections() -> None:
    taint = {"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}
    health = ProxyHealth("a", Clock())
    health.updated()
    for leaving in (node(spec={"taints": [taint]}), node(metadata={"deletionTimestamp": "2026-01-02T03:04:05Z"}), None):
        health.node_changed(Change(node("b"), None))
        assert statuses(health) == (200, 200)
        health.node_changed(Change(node(), leaving))
        assert statuses(health) == (200, 503)
        assert body(health.healthz())["nodeEligible"] is False
        health.node_changed(Change(leaving, node()))
        assert statuses(health) == (200, 200)
    assert health.answers == {("livez", 200): 9, ("healthz", 200): 6, ("healthz", 503): 6}
