"""The status of EgressGateways: which node serves with which addresses, and a condition.

The agent of the node that serves writes it, and an event with each change; where none does, that of the first Ready
node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from podwire.kube.conditions import with_condition, written
from podwire.kube.kinds import EGRESS_GATEWAYS
from podwire.kube.meta import Condition, NamespacedName
from podwire.kube.status_writer import StatusWriter
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.egress.model import Gateway
    from podwire.egress.view import EgressView
    from podwire.kube.client import Client
    from podwire.kube.egress_gateway import EgressGateway
    from podwire.kube.feed import Feed
    from podwire.kube.recorder import Recorder

SERVING = "Serving"
"""The type of the condition. False: selected pods do not leave the cluster."""


class EgressStatus:
    """Writes the status of gateways as the agent of one node."""

    def __init__(self, client: Client, node: str, gateways: Feed[EgressGateway], recorder: Recorder) -> None:
        self._node = node
        self._gateways = gateways
        self._view: EgressView | None = None
        self._recorder = recorder
        self._writer = StatusWriter(client, EGRESS_GATEWAYS)
        self._queue: WorkQueue[NamespacedName] = WorkQueue("status of egress gateways", self._write, workers=1)

    async def run(self, view: EgressView) -> None:
        """Write what was touched until cancelled."""
        self._view = view
        await self._queue.run()

    def touch(self, names: Iterable[str]) -> None:
        """The status of these gateways may have changed."""
        for name in names:
            self._queue.add(NamespacedName("", name))

    async def _write(self, key: NamespacedName) -> None:
        item = self._gateways.objects.get(key)
        if item is None or self._view is None or (gateway := self._view.gateway(key.name)) is None:
            return
        serving = self._view.serving(key.name)
        if self._node != writer(serving, self._view):
            return
        changes = desired(item, gateway, serving, datetime.now(UTC))
        await self._writer.write(item, lambda current: desired(current, gateway, serving, datetime.now(UTC)))
        if changes:
            reason, message = condition(gateway, serving)
            self._recorder.event(EGRESS_GATEWAYS, item, reason, message[:1024], warning=reason != SERVING)


def writer(serving: str, view: EgressView) -> str:
    """The node whose agent writes the status of a gateway that `serving` serves."""
    return serving or min((name for name, node in view.nodes.items() if node.ready), default="")


def condition(gateway: Gateway, serving: str) -> tuple[str, str]:
    """Return reason and message of the condition."""
    if gateway.problems:
        return "Invalid", "; ".join(gateway.problems)
    if not serving:
        return "NoReadyNode", "no node of spec.gateways is Ready: its pods do not leave the cluster"
    return SERVING, f"node {serving} serves"


def desired(item: EgressGateway, gateway: Gateway, serving: str, now: datetime) -> Mapping[str, Any]:
    """Return the fields of the status to write; nothing where it is as it should be."""
    reason, message = condition(gateway, serving)
    new = Condition(
        type=SERVING,
        status="True" if reason == SERVING else "False",
        reason=reason,
        message=message,
        observed_generation=item.metadata.generation,
    )
    conditions = with_condition(item.status.conditions, new, now)
    addresses = tuple(map(str, gateway.addresses)) if serving else ()
    before = (item.status.node, item.status.addresses, item.status.conditions)
    if before == (serving, addresses, conditions):
        return {}
    listed = [written(one) for one in conditions]
    return {"node": serving, "addresses": addresses, "conditions": listed}
