from podwire.lab.network.topology import Topology
from podwire.lab.roles.manifests import node_object

ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"


def test_a_node_has_its_zone_and_a_region() -> None:
    labels = [node_object(node)["metadata"]["labels"] for node in Topology(nodes=2, zones=("a", "b")).all_nodes()]
    assert [(one[ZONE], one[REGION]) for one in labels] == [("a", "local"), ("b", "local")]


def test_without_zones_there_is_no_label_of_one() -> None:
    labels = node_object(Topology(nodes=1).node(1))["metadata"]["labels"]
    assert not {ZONE, REGION} & set(labels)
