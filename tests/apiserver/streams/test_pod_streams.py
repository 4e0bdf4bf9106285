from pathlib import Path
from typing import Any

import pytest

from podwire.apiserver.base.authentication import User
from podwire.apiserver.base.requests import Request
from podwire.apiserver.base.status import StatusError
from podwire.apiserver.streams import pod_streams
from podwire.apiserver.streams.relays import Relay
from podwire.lab.kubelet.node_dialer import UnixSocketDialer

NODES = UnixSocketDialer(Path("/run/nodes"))


def relay(subresource: str, containers: str = "main", node: str = "n1", **query: tuple[str, ...]) -> Relay:
    spec: dict[str, Any] = {"containers": [{"name": name} for name in containers.split()], "nodeName": node}
    pod = {"metadata": {"name": "web", "namespace": "ns"}, "spec": spec}
    return pod_streams.relay(Request("GET", "/", None, query), subresource, pod, NODES)


def test_a_log_is_read_from_the_node_of_the_pod() -> None:
    found = relay("log", follow=("true",), tailLines=("5",), pretty=("true",))
    assert (found.endpoint.socket, found.path) == ("/run/nodes/n1/runtime.sock", "/containerLogs/ns/web/main")
    assert found.query == (("follow", "true"), ("tailLines", "5"))
    assert not found.streams


def test_the_kubelet_gets_the_run_of_kubectl_and_whether_it_made_the_container() -> None:
    pod = {"metadata": {"name": "web", "namespace": "ns"}, "spec": {"containers": [{"name": "main"}], "nodeName": "n1"}}
    headers = {"kubectl-session": "7", "kubectl-command": "kubectl run"}
    for part in ("log", "attach"):
        found = pod_streams.relay(Request("GET", "/", User("ada"), {}, headers), part, pod, NODES)
        assert found.query == (("reader", "ada/7"), ("startedIt", "true"))
        other = pod_streams.relay(
            Request("GET", "/", User("ada"), {"reader": ("ada/7",)}, {"kubectl-command": "kubectl attach"}),
            part,
            pod,
            NODES,
        )
        assert other.query == (), "and nobody else can say so"


def test_a_command_is_passed_on_argument_by_argument() -> None:
    found = relay("exec", command=("sh", "-c", "a b&c"), stdout=("true",), container=("main",))
    assert found.query == (("command", "sh"), ("command", "-c"), ("command", "a b&c"), ("output", "1"))
    assert (found.path, found.streams) == ("/exec/ns/web/main", True)


def test_ports_are_those_of_the_pod_whatever_its_containers() -> None:
    found = relay("portforward", containers="a b", ports=("80,81", "443"))
    assert (found.path, found.query) == ("/portForward/ns/web", (("port", "80,81"), ("port", "443")))
    assert found.streams
    assert found.protocols[0] == "SPDY/3.1+portforward.k8s.io"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"node": ""}, "does not have a host assigned"),
        ({"node": "../../etc"}, "is no node name"),
        ({"node": "a..b"}, "is no node name"),
        ({"container": ("other",)}, "container other is not valid for pod web: it has main"),
        ({"containers": "a b"}, "a container name must be specified for pod web"),
    ],
)
def test_what_cannot_be_relayed(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(StatusError, match=message) as refused:
        relay("log", **arguments)
    assert refused.value.code == 400
