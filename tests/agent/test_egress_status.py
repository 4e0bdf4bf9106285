"""Status and events of EgressGateways."""

from __future__ import annotations

from typing import Any, cast

from podwire.agent.egress_status import EgressStatus
from podwire.egress.view import EgressView
from podwire.kube.client import Client
from podwire.kube.egress_gateway import EgressGateway
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from tests.egress.test_rows import gateway, node, view
from tests.policy.test_policies import FakeFeed


class Written:
    """Takes events and statuses."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, bool]] = []
        self.statuses: list[Any] = []

    def event(self, _: object, __: object, reason: str, message: str, *, warning: bool) -> None:
        self.events.append((reason, message, warning))

    async def write(self, item: EgressGateway, wanted: Any) -> None:
        self.statuses.append(wanted(item))


async def reported(made: EgressView, item: EgressGateway, own: str) -> Written:
    feed, written = FakeFeed(), Written()
    feed.say(item)
    status = EgressStatus(cast("Client", None), own, feed, cast("Recorder", written))
    status._view = made
    status._writer = cast("Any", written)
    await status._write(NamespacedName("", item.metadata.name))
    return written


async def test_the_node_that_serves_reports_it() -> None:
    item = gateway()
    made = view("node-2", item)
    written = await reported(made, item, "node-2")
    assert written.events == [("Serving", "node node-2 serves", False)]
    assert written.statuses[0]["node"] == "node-2"
    assert (await reported(made, item, "node-1")).events == [], "another node"


async def test_a_gateway_without_a_node_is_a_warning() -> None:
    item = gateway()
    made = view("node-1", item)
    for name in ("node-2", "node-3"):
        made.node_changed(name, node(name, ready=False))
    written = await reported(made, item, "node-1")
    assert [(reason, warning) for reason, _, warning in written.events] == [("NoReadyNode", True)]


async def test_an_error_is_a_warning_with_its_field() -> None:
    item = gateway(address="here")
    written = await reported(view("node-1", item), item, "node-1")
    assert written.events[0][0::2] == ("Invalid", True)
    assert "spec.addresses[0] 'here'" in written.events[0][1]
