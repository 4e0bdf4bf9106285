import msgspec
import pytest

from podwire.lab.host.pod_reports import ContainerReport, PodReport
from podwire.lab.host.status import NodeLine, PodLine, Status, text

POD = b"""{"metadata": {"name": "web-1", "namespace": "shop"}, "spec": {"nodeName": "node-1"},
"status": {"phase": "Running", "podIPs": [{"ip": "10.244.1.2"}], "containerStatuses": [
{"name": "a", "image": "nginx", "imageID": "podwire://stand-in/nginx"},
{"name": "b", "image": "busybox", "imageID": ""}]}}"""


def test_stand_ins_are_distinguished_from_real_programs() -> None:
    assert msgspec.json.decode(POD, type=PodReport).stand_ins == ("nginx",)


@pytest.mark.parametrize(
    ("container", "runs"),
    [
        ({"image": "nginx", "imageID": "podwire://stand-in/nginx"}, "stand-in for nginx"),
        ({"image": "busybox", "imageID": "podwire://machine/busybox"}, "this machine's programs"),
        ({"image": "a/dns", "imageID": "podwire://in-house/a/dns"}, "podwire's own program"),
        ({"image": "web:1", "imageID": "sha256:0123"}, "image web:1"),
        (
            {"image": "x", "imageID": "podwire://machine/x", "state": {"waiting": {"reason": "CreateContainerError"}}},
            "nothing: CreateContainerError",
        ),
    ],
)
def test_what_runs_for_a_container(container: dict[str, object], runs: str) -> None:
    assert msgspec.convert(container, ContainerReport).runs == runs


def test_the_text_labels_stand_ins() -> None:
    pods = (
        PodLine("shop", "web-1", "Running", "node-1", ("10.244.1.2",), ("nginx",), ("stand-in for nginx",)),
        PodLine("shop", "tool", "Pending", "", (), ()),
    )
    nodes = (NodeLine("node-1", ready=True, addresses=("172.18.0.2",), pods=2),)
    shown = text(Status("a", "podwire-a", "https://127.0.0.1:1", "direct", 7, "/k", nodes, pods))
    assert "shop/web-1  Running  node-1  10.244.1.2  stand-in for nginx" in shown
    assert "A stand-in answers" in shown
    assert "established connections: cut\n" in shown
    assert "stand-in for" not in next(line for line in shown.splitlines() if "shop/tool" in line)


def test_default_deny_is_shown() -> None:
    denying = Status("a", "podwire-a", "https://127.0.0.1:1", "direct", 7, "/k", (), (), default_deny=True)
    assert "established connections: cut; default deny\n" in text(denying)
