"""What the node's Envoy refuses, by the objects that it comes from, as it is reported to the controller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from podwire.edge.controller.refusals import Refusals, Rows
from podwire.edge.gateway.owners import Owner
from podwire.edge.xds.proxy import Proxy, Report
from podwire.edge.xds.resource import LISTENER
from podwire.mesh.authorization.model import Policy
from podwire.mesh.envoy.inside import INSIDE, INSIDE_TLS
from podwire.mesh.identity.exchange import LONGEST_REASON, MOST_REFUSALS, Refusal
from podwire.mesh.kinds.authorization_policy import AUTHORIZATION_POLICIES

_DECIDING = tuple((LISTENER, one) for one in (INSIDE, INSIDE_TLS))
"""The listeners whose chains policies of authorization are in."""


class NodeRefusals:
    """`report` is called with all refusals when they are different."""

    def __init__(self, table: Rows, report: Callable[[tuple[Refusal, ...]], None]) -> None:
        self._table = table
        self._report = report
        self._refusals = Refusals(lambda _, __: None)
        self._of_routes: set[Owner] = set()
        self._policies: tuple[Policy, ...] = ()
        self._accepted: tuple[Policy, ...] = ()
        """The policies with which Envoy has acknowledged its listeners last."""
        self._last: tuple[Refusal, ...] = ()

    def use(self, policies: tuple[Policy, ...]) -> None:
        """Take the policies that Envoy is being configured with."""
        self._policies = policies

    def take(self, report: Report, proxy: Proxy) -> None:
        """Take what Envoy has acknowledged or refuses."""
        for one in self._refusals.take(report, proxy, self._table):
            if self._refusals.of(one):
                self._of_routes.add(one)
            else:
                self._of_routes.discard(one)
        if proxy.envoys() and not proxy.lacking(_DECIDING):
            self._accepted = self._policies
        found = tuple(islice(self._found(proxy), MOST_REFUSALS))
        if found != self._last:
            self._last = found
            self._report(found)

    def _found(self, proxy: Proxy) -> Iterator[Refusal]:
        for one in sorted(self._of_routes):
            yield _refusal(one.kind, one.namespace, one.name, self._refusals.of(one))
        reason = next((found for key in _DECIDING if (found := proxy.refusal(key))), "")
        if reason:
            accepted = {one.key: one for one in self._accepted}
            new = (one for one in self._policies if accepted.get(one.key) != one)
            for policy in sorted(new, key=lambda one: one.key):
                yield _refusal(AUTHORIZATION_POLICIES.kind, policy.key.namespace, policy.key.name, reason)


def _refusal(kind: str, namespace: str, name: str, reason: str) -> Refusal:
    return Refusal(kind, namespace, name, reason[:LONGEST_REASON])
