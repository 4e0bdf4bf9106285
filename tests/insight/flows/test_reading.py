"""Records of nodes are read in order, chosen and named; those of this machine line by line."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec

from podwire.insight.flows.filters import Filter
from podwire.insight.flows.pod_names import NamedPod
from podwire.insight.flows.reading import FlowRequest, Flows, of_this_node
from podwire.kube.client import Client
from podwire.policy.flows.journal import Journal
from podwire.policy.flows.record import Flow, encode
from tests.insight.flows.test_filters import FLOW, PING
from tests.insight.flows.test_pod_names import pod

LATER = msgspec.structs.replace(PING, time="2026-01-02T04:00:00.000000Z")


class Api:
    """Lists one pod; counts how often."""

    def __init__(self, *pods: NamedPod) -> None:
        self.lists = 0
        self._pods = list(pods)

    async def list(self, _: object) -> SimpleNamespace:
        self.lists += 1
        return SimpleNamespace(items=self._pods)


async def test_records_of_all_nodes_are_in_order_and_named_once() -> None:
    api, shown = Api(pod("a", "10.0.0.1", "2026-01-01T00:00:00Z")), list[Flow]()
    flows = Flows(cast("Client", api), FlowRequest(), shown.append)
    await flows.show([encode(LATER), b"not a record", encode(PING)], first=True)
    assert [(one.time, one.source.pod_name) for one in shown] == [(PING.time, "a"), (LATER.time, "a")]
    await flows.show([encode(PING)])
    assert api.lists == 1, "pods are not listed for each record"


async def test_the_last_ones_are_counted_among_those_that_are_chosen() -> None:
    shown = list[Flow]()
    request = FlowRequest(Filter(verdict="FORWARDED"), last=1)
    await Flows(cast("Client", Api()), request, shown.append).show(
        [encode(PING), encode(LATER), encode(FLOW)], first=True
    )
    assert [one.time for one in shown] == [LATER.time]


def test_this_machine_writes_its_lines_since_a_time(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for flow in (PING, LATER):
        journal.append(encode(flow))
    lines: list[bytes] = []
    of_this_node(lines.append, since="", follow=False, state=tmp_path)
    assert lines == [encode(PING), encode(LATER)]
    lines.clear()
    of_this_node(lines.append, since="2026-01-02T03:30:00.000000Z", follow=False, state=tmp_path)
    assert lines == [encode(LATER)]
