import msgspec

from podwire.insight.flows.pod_names import NamedPod, PodNames
from podwire.kube.pod_workloads import Workload
from podwire.policy.flows.record import Endpoint, Flow
from tests.insight.flows.test_filters import PING


def pod(name: str, address: str, created: str, *, host_network: bool = False) -> NamedPod:
    document = {
        "metadata": {"namespace": "x", "name": name, "creationTimestamp": created, "labels": {"app": name}},
        "spec": {"hostNetwork": host_network},
        "status": {"podIPs": [{"ip": address}]},
    }
    return msgspec.convert(document, NamedPod)


def names(flow: Flow) -> tuple[str, str]:
    return flow.source.pod_name, flow.destination.pod_name


def test_ends_are_named_by_address() -> None:
    known = PodNames([pod("a", "10.0.0.1", "2026-01-01T00:00:00Z"), pod("b", "10.0.0.2", "2026-01-01T00:00:00Z")])
    done = known.completed(PING)
    assert done.source == Endpoint("x", ("k8s:app=a",), "a", (Workload("a", "Pod"),))
    assert names(done) == ("a", "b")
    assert known.knows(PING)


def test_a_pod_that_was_made_later_and_one_of_the_nodes_network_do_not_count() -> None:
    known = PodNames(
        [
            pod("late", "10.0.0.1", "2026-01-03T00:00:00Z"),
            pod("host", "10.0.0.2", "2026-01-01T00:00:00Z", host_network=True),
        ]
    )
    assert names(known.completed(PING)) == ("", "")
    assert not known.knows(PING)


def test_what_the_node_knew_is_kept() -> None:
    reported = msgspec.structs.replace(PING, source=Endpoint("y", (), "first"))
    known = PodNames([pod("a", "10.0.0.1", "2026-01-01T00:00:00Z")])
    assert names(known.completed(reported)) == ("first", "")
