from podwire.engine.row import Delta
from podwire.kernel.conntrack import Family, Flow
from podwire.kube.backends import Backend
from podwire.services.flows import EndedFlows
from podwire.services.rows import FlowsRow

DNS, NODE_PORT = ("10.96.0.10", 53), ("172.18.0.2", 30053)
A, B = "10.244.1.2", "10.244.1.3"


def flow(destination: tuple[str, int], answering: str, port: int = 5353) -> Flow:
    return Flow(Family.IPV4, "10.244.1.9", 1, *destination, answering, port, b"")


def row(destination: tuple[str, int], *backends: str) -> FlowsRow:
    return FlowsRow(*destination, frozenset(Backend(backend, 5353) for backend in backends))


def changed(before: FlowsRow, after: FlowsRow) -> EndedFlows:
    return EndedFlows(Delta((after,), replaced=(before,)))


def test_a_new_destination_ends_what_was_sent_there_before() -> None:
    ended = EndedFlows(Delta((row(NODE_PORT, A),)))
    assert flow(NODE_PORT, *NODE_PORT) in ended, "it reached the node itself"
    assert flow(NODE_PORT, A) not in ended
    assert flow(DNS, *DNS) not in ended, "another destination"
    assert ended.families == {4}


def test_a_backend_that_goes_takes_its_flows_along() -> None:
    ended = changed(row(DNS, A, B), row(DNS, B))
    assert flow(DNS, A) in ended
    assert flow(DNS, B) not in ended
    assert flow(DNS, A, 5354) in ended, "another port of the same pod was never its backend"


def test_the_first_backend_ends_what_waited_for_it() -> None:
    assert flow(DNS, *DNS) in changed(row(DNS), row(DNS, A))


def test_additional_backends_end_nothing() -> None:
    ended = changed(row(DNS, A), row(DNS, A, B))
    assert ended.families == set()
    assert flow(DNS, *DNS) not in ended


def test_a_destination_that_goes_ends_its_own_flows_alone() -> None:
    ended = EndedFlows(Delta(removals=(row(NODE_PORT, A),)))
    assert flow(NODE_PORT, A) in ended
    assert flow(NODE_PORT, *NODE_PORT) not in ended, "the node's own port"


def test_of_a_range_only_translated_flows_end() -> None:
    block = ("172.18.0.0/16", 30053)
    ended = EndedFlows(Delta((row(block, B),)))
    assert flow(NODE_PORT, A) in ended
    assert flow(NODE_PORT, B) not in ended
    assert flow(NODE_PORT, *NODE_PORT) not in ended, "perhaps another host's port"
    assert flow(("192.0.2.1", 30053), A) not in ended
