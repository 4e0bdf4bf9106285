"""What an Envoy refuses is reported by the object that it comes from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from podwire.edge.controller.refusals import Rows
from podwire.edge.gateway.owners import Owner
from podwire.edge.xds.proxy import Proxy, Report
from podwire.edge.xds.resource import CLUSTER, LISTENER, Key
from podwire.kube.meta import NamespacedName
from podwire.mesh.authorization.model import Policy
from podwire.mesh.envoy.inside import INSIDE
from podwire.mesh.identity.exchange import LONGEST_REASON, Refusal
from podwire.mesh.node.refusals import NodeRefusals

ROUTE, WEB = Owner("HTTPRoute", "shop", "web"), (CLUSTER, "shop/web/80/http1")
OLD, NEW = (Policy(NamespacedName("shop", name)) for name in ("old", "new"))


class Envoy:
    """What is refused, by resource."""

    def __init__(self) -> None:
        self.refused: dict[Key, str] = {}

    def envoys(self) -> bool:
        return True

    def refusal(self, key: Key) -> str:
        return self.refused.get(key, "")

    def lacking(self, keys: Any) -> list[Key]:
        return [one for one in keys if one in self.refused]


def table() -> Rows:
    """One cluster, which comes from ROUTE."""
    row = SimpleNamespace()
    found = SimpleNamespace(
        row=lambda key: row if key == WEB else None,
        acknowledged_row=lambda _: None,
        acknowledge=lambda _: None,
        sources_of=lambda _: (ROUTE,),
    )
    return cast("Rows", found)


def test_a_cluster_is_that_of_its_route_until_envoy_takes_it() -> None:
    reports: list[tuple[Refusal, ...]] = []
    refusals, envoy = NodeRefusals(table(), reports.append), Envoy()
    report, proxy = Report("mesh", frozenset({WEB})), cast("Proxy", envoy)
    refusals.take(report, proxy)
    assert not reports
    envoy.refused[WEB] = "x" * 2 * LONGEST_REASON
    refusals.take(report, proxy)
    assert reports == [(Refusal("HTTPRoute", "shop", "web", "x" * LONGEST_REASON),)]
    envoy.refused.clear()
    refusals.take(report, proxy)
    assert reports[1:] == [()]


def test_a_listener_of_policies_is_that_of_those_which_are_new() -> None:
    reports: list[tuple[Refusal, ...]] = []
    refusals, envoy = NodeRefusals(table(), reports.append), Envoy()
    report, proxy = Report("mesh", frozenset({(LISTENER, INSIDE)})), cast("Proxy", envoy)
    refusals.use((OLD,))
    refusals.take(report, proxy)
    refusals.use((OLD, NEW))
    envoy.refused[LISTENER, INSIDE] = "too large"
    refusals.take(report, proxy)
    assert reports == [(Refusal("AuthorizationPolicy", "shop", "new", "too large"),)]
