from typing import Any

import pytest

from podwire.kube.core import Pod
from podwire.kube.host_ports import conflict, host_ports
from tests.controllers.build import pod


def publishing(*ports: dict[str, Any], **spec: Any) -> Pod:
    """A pod whose container has these ports."""
    listed = [{"containerPort": 80, **port} for port in ports]
    return pod(node="", spec={"containers": [{"name": "c", "ports": listed}], **spec})


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"hostPort": 80}, {"hostPort": 80}, True),
        ({"hostPort": 80}, {"hostPort": 81}, False),
        ({"hostPort": 80}, {}, False),
        ({"hostPort": 80}, {"hostPort": 80, "protocol": "UDP"}, False),
        ({"hostPort": 80, "hostIP": "127.0.0.1"}, {"hostPort": 80, "hostIP": "127.0.0.2"}, False),
        ({"hostPort": 80, "hostIP": "127.0.0.1"}, {"hostPort": 80}, True),
        ({"hostPort": 80, "hostIP": "0.0.0.0"}, {"hostPort": 80, "hostIP": "127.0.0.2"}, True),
    ],
)
def test_two_pods_conflict_by_address_protocol_and_port(
    one: dict[str, Any], other: dict[str, Any], expected: bool
) -> None:
    first, second = host_ports(publishing(one)), host_ports(publishing(other))
    assert conflict(first, second) is conflict(second, first) is expected


def test_sidecars_count_and_other_init_containers_do_not() -> None:
    port = [{"containerPort": 80, "hostPort": 80}]
    init = {"name": "i", "ports": port}
    assert not host_ports(publishing(initContainers=[init]))
    assert host_ports(publishing(initContainers=[{**init, "restartPolicy": "Always"}]))
