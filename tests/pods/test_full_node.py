"""A node with as many pods as its range has addresses, and with a range that holds more than kubelet's largest."""

import ipaddress
from pathlib import Path

import pytest

from podwire.pods.addresses import ExhaustedError, Ranges
from podwire.pods.attachment import AttachmentKey, PodIdentity
from podwire.pods.store import Store
from tests.pods.cluster import SmallCluster, finish
from tests.sandbox import Host, sandboxed

AT_ONCE = 20


def reserved(store: Store, count: int, first: int = 0) -> set[str]:
    """The addresses of this many new pods."""
    return {
        str(store.reserve(AttachmentKey(f"c{number}", "eth0"), PodIdentity(), "/run/netns/x").addresses[0])
        for number in range(first, first + count)
    }


@pytest.mark.parametrize(("text", "count"), [("10.244.1.0/24", 253), ("10.244.0.0/22", 1021), ("fd00::/64", 1200)])
def test_every_address_of_a_range_is_given_out_once(tmp_path: Path, text: str, count: int) -> None:
    store = Store(tmp_path / "cni.db")
    store.use(Ranges((ipaddress.ip_network(text),)))
    assert len(reserved(store, count)) == count
    assert store.exhausted == ("/64" not in text)
    if store.exhausted:
        with pytest.raises(ExhaustedError, match=f"all {count} addresses of the node's range {text} are taken"):
            reserved(store, 1, count)
        store.release(AttachmentKey("c7", "eth0"))
        assert not store.exhausted
        assert len(reserved(store, 1, count)) == 1
    store.close()


@pytest.mark.long
@sandboxed
def test_a_node_takes_250_pods_and_then_says_that_it_is_full() -> None:
    with SmallCluster(gate_seconds=30) as cluster:
        (node,) = cluster.machines
        pods = [Host(f"pod-{number}") for number in range(254)]
        answers = []
        for start in range(0, len(pods), AT_ONCE):
            calls = [node.call("ADD", pod) for pod in pods[start : start + AT_ONCE]]
            answers += [finish(one) for one in calls]
        refused = [answer for status, answer in answers if status]
        assert len({answer["ips"][0]["address"] for status, answer in answers if not status}) == 253
        assert [(answer["code"], "all 253 addresses" in answer["msg"]) for answer in refused] == [(11, True)]
        status, answer = node.cni("STATUS")
        assert (status, answer["code"], "widen the node's podCIDR" in answer["msg"]) == (1, 50, True)
        assert node.cni("DEL", pods[0]) == (0, None)
        assert node.cni("STATUS") == (0, None)
