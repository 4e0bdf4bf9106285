import pytest

from podwire.controllers.nodes.node_selection import Loads, Placed, Unplaced, place
from podwire.kube.core import Node
from podwire.kube.host_ports import host_ports
from tests.controllers.build import node, pod
from tests.kube.test_host_ports import publishing

ONE, TWO = node("node-1", disk="ssd"), node("node-2")


def test_pods_of_one_owner_spread_over_nodes_and_then_by_load() -> None:
    loads = Loads()
    places = []
    for number, owner in enumerate(["a", "a", "b", "a", "b"]):
        choice = place(pod(node=""), owner, [TWO, ONE], loads)
        assert isinstance(choice, Placed)
        loads.add(str(number), owner, choice.node)
        places.append(choice.node)
    assert places == ["node-1", "node-2", "node-1", "node-2", "node-2"]


def test_a_bare_pod_is_placed_where_fewest_pods_are() -> None:
    loads = Loads()
    loads.add("x", "", "node-1")
    assert place(pod(), "", [ONE, TWO], loads) == Placed("node-2")
    loads.remove("x")
    assert place(pod(), "", [ONE, TWO], loads) == Placed("node-1")


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "no nodes available to schedule pods"),
        ([TWO], "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."),
        (
            [TWO, node("c", cordoned=True), node("d", ready=False)],
            (
                "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
                "1 node(s) were not ready, 1 node(s) were unschedulable."
            ),
        ),
    ],
)
def test_why_a_pod_has_no_node(nodes: list[Node], message: str) -> None:
    picky = pod(spec={"nodeSelector": {"disk": "ssd"}})
    assert place(picky, "", nodes, Loads()) == Unplaced(message)
    assert place(picky, "", [*nodes, ONE], Loads()) == Placed("node-1")


def test_putting_a_pod_twice_counts_it_once() -> None:
    loads = Loads()
    loads.add("x", "a", "node-1")
    loads.add("x", "a", "node-2")
    assert loads.rank("a", "node-1")[:2] == (0, 0)
    assert loads.rank("a", "node-2")[:2] == (1, 1)


WEB = host_ports(publishing({"hostPort": 8080}))


def test_a_taken_host_port_leaves_the_other_node_then_none() -> None:
    loads = Loads()
    loads.add("x", "", "node-1", WEB)
    wanting = publishing({"hostPort": 8080})
    assert place(wanting, "", [ONE, TWO], loads) == Placed("node-2")
    loads.add("y", "", "node-2", WEB)
    message = "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports."
    assert place(wanting, "", [ONE, TWO], loads) == Unplaced(message)
    assert loads.remove("x")
    assert place(wanting, "", [ONE, TWO], loads) == Placed("node-1")
