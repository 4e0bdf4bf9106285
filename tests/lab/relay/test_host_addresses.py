from itertools import islice

from podwire.kube.meta import NamespacedName
from podwire.lab.relay.forwards import Forward
from podwire.lab.relay.host_addresses import candidates, claim_of, of_load_balancer

WEB = NamespacedName("shop", "web")
BALANCED = Forward(WEB, "LoadBalancer", "TCP", 80, 80, "172.18.254.7")


def test_an_address_has_the_last_two_bytes_of_the_load_balancers() -> None:
    assert of_load_balancer("172.18.254.7", 18) == "127.18.254.7"
    assert of_load_balancer("fd00:172:18::fe:7", 19) == "127.19.0.7"


def test_the_true_port_comes_first_then_higher_ones_then_any() -> None:
    found = list(candidates(BALANCED, 18))
    assert found[:3] == [("127.18.254.7", 80), ("127.18.254.7", 8080), ("127.18.254.7", 9080)]
    assert found[-1] == ("127.18.254.7", 0)
    assert all(
        port <= 65535 for _, port in candidates(Forward(WEB, "LoadBalancer", "TCP", 60000, 80, "172.18.254.7"), 18)
    )


def test_a_node_port_is_at_the_usual_address() -> None:
    assert list(candidates(Forward(WEB, "NodePort", "UDP", 30053, 80), 18)) == [("127.0.0.1", 30053), ("127.0.0.1", 0)]


def test_after_a_restart_the_previous_place_comes_first() -> None:
    assert list(islice(candidates(BALANCED, 18, ("127.18.254.7", 8080)), 2)) == [
        ("127.18.254.7", 8080),
        ("127.18.254.7", 80),
    ]


def test_worlds_claim_different_addresses() -> None:
    assert claim_of(18) != claim_of(19)
